# SPDX-License-Identifier: Apache-2.0
"""A pipeline as a real DAG run of the installed Airflow, in an Airflow home of its own, without a scheduler or a server."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import DataOpsError, MissingDependency
from airflow_dataops.core.run import RunContext
from dag_factories.pipeline import load_pipeline
from dag_factories.plans import plan_of
from dag_factories.run import OnStep, Progress, RunOutcome, read_step, require_here, run_contexts

HOME = Path(".dataops", "airflow")
LOG = "run.log"
# The user's Airflow stays untouched, whatever its settings are; only where secrets come from is taken over.
_KEPT_SECTIONS = ("AIRFLOW__SECRETS__", "AIRFLOW__WORKERS__SECRETS_BACKEND")


def run_in_airflow(
    file: Path | str,
    *,
    target: str | None = None,
    dates: str | None = None,
    now: datetime,
    progress: Progress | None = None,
    on_step: OnStep | None = None,
    home: Path | None = None,
) -> Iterator[RunOutcome]:
    """Run a pipeline as DAG runs, one after the other, and yield what became of each.

    The runs have the keys and data intervals of the scheduled ones. Airflow's database and logs are in ``home``; with
    ``AIRFLOW_HOME`` set to it, ``airflow standalone`` shows the runs.

    Args:
        file: The YAML file.
        target: Name of a target; without it ``DATAOPS_TARGET``, else the project's default.
        dates: As in :func:`dag_factories.run.run_pipeline`.
        now: The time at which the run is asked for; aware.
        progress: Told, one line at a time, what is being done.
        on_step: Told each task's result when its run has ended.
        home: Airflow's home; ``.dataops/airflow`` in the project's folder without it.

    Raises:
        PipelineError: The file cannot be used; nothing has been run.
        SpecError: The target does not exist, or ``dates`` is no date.
        MissingDependency: Airflow is not installed.
        DataOpsError: Airflow itself failed (``AIRFLOW_FAILED``); its log is named.
    """
    if importlib.util.find_spec("airflow") is None:
        raise MissingDependency("Airflow is not installed", hint="pip install 'airflow-dataops[airflow]'")
    pipeline = load_pipeline(file, target=target)
    spec, project, chosen = pipeline.require()
    plan = plan_of(spec, project, chosen, pipeline.relative)
    require_here(plan)
    contexts = run_contexts(plan, dates, now)
    home = (home or project.root / HOME).absolute()
    home.mkdir(parents=True, exist_ok=True)
    write_settings(home, project.root)
    request = {
        "file": str(pipeline.path),
        "target": chosen.name,
        "runs": [context.model_dump(mode="json") for context in contexts],
    }
    return _outcomes(request, home, project.root, progress, on_step)


def environment(home: Path, dags: Path) -> dict[str, str]:
    """Return the environment of Airflow in ``home``: the caller's, without the settings of another Airflow.

    Args:
        home: Airflow's home.
        dags: Folder of DAG files.
    """
    theirs = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW__") or name.startswith(_KEPT_SECTIONS)
    }
    return (
        theirs
        | {"AIRFLOW_HOME": str(home)}
        | {f"AIRFLOW__{key}".upper(): value for key, value in settings(home, dags).items()}
    )


def settings(home: Path, dags: Path) -> dict[str, str]:
    """Return Airflow's settings, ``section__option`` -> value."""
    return {
        "core__dags_folder": str(dags),
        "core__load_examples": "False",
        "core__simple_auth_manager_all_admins": "True",  # nobody but this machine can ask
        "api__host": "127.0.0.1",
        "webserver__web_server_host": "127.0.0.1",
        "database__sql_alchemy_conn": f"sqlite:///{home}/airflow.db",
        "logging__base_log_folder": str(home / "logs"),
        "usage_data_collection__enabled": "False",
        "metrics__timer_unit_consistency": "True",
    }


def write_settings(home: Path, dags: Path) -> None:
    """Write ``airflow.cfg``, so that ``AIRFLOW_HOME`` alone is enough to look at the runs; one that is there stays."""
    file = home / "airflow.cfg"
    if file.exists():
        return
    sections: dict[str, list[str]] = {}
    for key, value in settings(home, dags).items():
        section, _, option = key.partition("__")
        sections.setdefault(section, []).append(f"{option} = {value.replace('%', '%%')}")
    text = "\n".join(f"[{section}]\n" + "\n".join(options) + "\n" for section, options in sections.items())
    file.write_text(text, "utf-8")


def _outcomes(
    request: dict[str, Any], home: Path, root: Path, progress: Progress | None, on_step: OnStep | None
) -> Iterator[RunOutcome]:
    log = home / LOG
    receiving, sending = os.pipe()
    with log.open("w", encoding="utf-8") as output, os.fdopen(receiving, encoding="utf-8") as events:
        child = subprocess.Popen(  # noqa: S603  # our own module, with this interpreter
            [sys.executable, "-P", "-m", "dag_factories.realise.local_child", str(sending)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(home, root),
            cwd=root,
            pass_fds=[sending],
            text=True,
        )
        os.close(sending)
        try:
            child.stdin.write(json.dumps(request))  # type: ignore[union-attr]  # it is a pipe
            child.stdin.close()  # type: ignore[union-attr]
            for line in events:
                event = json.loads(line)
                if "progress" in event and progress is not None:
                    progress(event["progress"])
                if "outcome" in event:
                    yield _outcome(event["outcome"], on_step)
        finally:
            if child.poll() is None and sys.exc_info()[0] is not None:
                child.terminate()
            child.wait()
    if child.returncode:
        raise DataOpsError(f"Airflow ended with exit code {child.returncode}", hint=f"see {log}", code="AIRFLOW_FAILED")


def _outcome(document: dict[str, Any], on_step: OnStep | None) -> RunOutcome:
    steps = [read_step(step) for step in document["steps"]]
    for step in steps:
        if on_step is not None:
            on_step(step)
    return RunOutcome(RunContext.model_validate(document["run"]), tuple(steps), tuple(document["skipped"]))
