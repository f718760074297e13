# SPDX-License-Identifier: Apache-2.0
"""Kind ``composer_dask``: run functions on a Dask cluster that is made for the run and deleted after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from airflow_dataops.core.dataproc_dask.spec import Adapt
from airflow_dataops.core.errors import did_you_mean
from airflow_dataops.core.secrets import has_a_password, is_name_in_secret_manager, names_a_secret
from dag_factories.references import ReferenceKind
from dag_factories.specs.arguments import AuthorModel
from dag_factories.specs.base import Path, PipelineSpec, Problem
from dag_factories.specs.dask import ClusterChoice, DaskDeadlines, DaskPolicy
from dag_factories.specs.limits import Limits
from dag_factories.specs.values import Money, Names, Seconds

_NOT_TOLD = "a run on a cluster has no verdict, so nothing of this severity is ever told"


class Job(AuthorModel):
    """A function that runs on the cluster.

    Attributes:
        name: Name of the job and id of its task: small letters, digits and ``-``.
        function: ``module:function``; it is called with the Dask client and ``args``.
        args: Keyword arguments, JSON; texts may hold ``${lake}`` and ``${run.date}``.
        workers: Dask workers: a number, or ``{minimum: 2, maximum: 10}`` with the runtime ``yarn``; without it all that there are. With the
            runtime ``standalone`` so many are waited for, and all machines work.
        after: Names of the jobs that have to be done before; jobs without it run side by side.
    """

    name: str
    function: str
    args: dict[str, Any] = {}
    workers: int | Adapt | None = None
    after: Names = []


class ComposerDaskSpec(PipelineSpec):
    """Run functions on a Dask cluster that is made for the run and deleted after it, whatever happens.

    On a target with ``runner: local`` the same functions run on a Dask of this machine, and only ``jobs`` matters.

    Attributes:
        cluster: Name of a shape of the target, or ``{shape: small, workers: {count: 8}}`` with what differs from it.
        jobs: Functions to run, all on one cluster.
        keep_failed_for: A cluster whose job failed is left for a look; Google deletes it after so long without a job. With one job only.
        budget: Most that a run may cost at worst, in the rate card's currency.
        over_budget: What happens when it might cost more: ``fail`` before anything is made, or ``warn``.
        deadlines: Longest times.
        attempts: Clusters that may be asked for until one runs.
        lifecycle: Who makes and deletes the cluster: ``airflow``, or ``google`` in a workflow of its own, for one job and one zone.
        resources: Limits of each job's processes on a target with ``runner: local``.
    """

    REFERENCES: ClassVar[Mapping[str, frozenset[ReferenceKind]]] = {
        **PipelineSpec.REFERENCES,
        "jobs.*.args.**": frozenset({"lake", "run"}),
        "resources.spill_dir": frozenset({"env", "var"}),
    }
    REFERENCE_HINTS: ClassVar[Mapping[str, str]] = {
        "jobs.*.args.**": "arguments are shown on the task's page and kept in the bucket; pass the name of a secret, as "
        "projects/P/secrets/NAME, and let the function read it with the cluster's service account",
    }

    kind: Literal["composer_dask"]
    cluster: str | ClusterChoice | None = None
    jobs: list[Job] = Field(min_length=1)
    keep_failed_for: Seconds | None = None
    budget: Money | None = None
    over_budget: Literal["fail", "warn"] = "fail"
    deadlines: DaskDeadlines = DaskDeadlines()
    attempts: int = 3
    lifecycle: Literal["airflow", "google"] = "airflow"
    resources: Limits = Limits()

    @property
    def shape(self) -> str | None:
        """Name of the shape that the pipeline asks for; None where it leaves it to the target."""
        return self.cluster.shape if isinstance(self.cluster, ClusterChoice) else self.cluster

    def policy(self) -> dict[str, Any]:
        """Return what the pipeline itself says of patience and budget."""
        return self.given(only=set(DaskPolicy.model_fields))

    def ordered(self) -> list[Job]:
        """Return the jobs, each after those that it waits for, else as written; a job in a cycle comes last."""
        waiting, done = list(self.jobs), list[Job]()
        while waiting:
            names = {job.name for job in done}
            ready = next((job for job in waiting if names.issuperset(job.after)), waiting[0])
            waiting.remove(ready)
            done.append(ready)
        return done

    def problems(self) -> list[Problem]:
        """Return what contradicts itself: names, the order of the jobs, secrets that are written down."""
        return [
            *super().problems(),
            *self._names(),
            *self._order(),
            *self._secrets(),
            *self._alerts(),
            *self._kept(),
            *self._lifecycle(),
        ]

    def _names(self) -> Iterator[Problem]:
        first: dict[str, int] = {}
        for index, job in enumerate(self.jobs):
            if job.name in first:
                message = f"two jobs are named {job.name!r}: number {first[job.name] + 1} and number {index + 1}"
                yield Problem(("jobs", index, "name"), "DUPLICATE_JOB", message, "give each job a name of its own")
            first.setdefault(job.name, index)

    def _order(self) -> Iterator[Problem]:
        names = [job.name for job in self.jobs]
        for index, job in enumerate(self.jobs):
            for number, other in enumerate(job.after):
                if other not in names:
                    message = f"job {job.name!r} waits for {other!r}; the jobs are: {', '.join(names)}"
                    yield Problem(self._after(index, number), "UNKNOWN_JOB", message, did_you_mean(other, names))
        if len(set(names)) < len(names):
            return  # of two jobs of one name nobody can say which one is meant
        for index, job in enumerate(self.jobs):
            circle = _circle(job.name, {one.name: one.after for one in self.jobs})
            if circle and index == min(names.index(name) for name in circle):
                message = f"these jobs wait for one another: {' -> '.join(circle)}"
                yield Problem(("jobs", index, "after"), "JOB_CYCLE", message, "remove one of the `after`", on_key=True)

    def _after(self, index: int, number: int) -> Path:
        return ("jobs", index, "after", number)

    def _secrets(self) -> Iterator[Problem]:
        for index, job in enumerate(self.jobs):
            yield from _taken_for_references(job.args, ("jobs", index, "args"))
            for path, value in _texts(job.args, ("jobs", index, "args")):
                name = next((step for step in reversed(path) if isinstance(step, str)), "")
                secret = names_a_secret(name) and value and "${" not in value and not is_name_in_secret_manager(value)
                if secret or has_a_password(value):
                    said = f"{name} is" if secret else f"{name} is an address with"
                    message = f"{said} a secret; arguments are shown on the task's page and kept in the bucket"
                    hint = "write the secret's name, projects/P/secrets/NAME, and let the function read it"
                    yield Problem(path, "SECRET_IN_FILE", message, hint)

    def _kept(self) -> Iterator[Problem]:
        if self.keep_failed_for is not None and len(self.jobs) > 1:
            message = (
                f"a cluster that {len(self.jobs)} jobs share is deleted after the last one, whatever became of them"
            )
            hint = "take it out, or give each job a pipeline of its own"
            yield Problem(("keep_failed_for",), "KEEP_REFUSED", message, hint, on_key=True)

    def _lifecycle(self) -> Iterator[Problem]:
        if self.lifecycle == "google" and len(self.jobs) > 1:
            message = f"a workflow of Google's runs one job here, and there are {len(self.jobs)}"
            hint = "write lifecycle: airflow, or give each job a pipeline of its own"
            yield Problem(("lifecycle",), "WORKFLOW_REFUSES", message, hint)

    def _alerts(self) -> Iterator[Problem]:
        for severity in ("warning", "info"):
            if names := getattr(self.alerts, severity):
                hint = (
                    f"write alerts: {{critical: …}} for failures, dag: {{on_success_callback: {names[0]}}} for the rest"
                )
                yield Problem(("alerts", severity), "ALERT_NEVER_TOLD", _NOT_TOLD, hint, on_key=True)


def _circle(start: str, after: Mapping[str, list[str]]) -> list[str]:
    """Return the names on a way from a job back to itself; empty where there is none."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for name in after.get(way[-1], []):
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _taken_for_references(value: Any, path: Path) -> Iterator[Problem]:
    """Yield mappings that look like the references of a plan or of a job's spec, which would be looked up."""
    if isinstance(value, dict) and ("ref" in value or list(value) == ["secret"]):
        message = "a mapping with ref, or with secret alone, is how this package notes references"
        yield Problem(path, "REFERENCE_NOT_ALLOWED", message, "name the key otherwise, as secret_name")
        return
    for step, child in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(child, dict | list):
            yield from _taken_for_references(child, (*path, step))


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in steps:
        if isinstance(child, str):
            yield (*path, step), child
        else:
            yield from _texts(child, (*path, step))


SPEC = ComposerDaskSpec

EXAMPLE = """\
# {name}: a function on a Dask cluster of its own. Every key is explained by `dataops explain composer_dask`.
version: 1
kind: composer_dask
name: {name}                 # equals the file's name
schedule: "@daily"           # cron, a preset, {assets: [...]}, or null
start_date: 2024-01-01

# cluster: small             # a shape of the target in dataops.yaml; a target with `runner: local` needs none
jobs:                        # side by side on one cluster; `after: [name]` lets one wait for another
  - name: words
    function: {name}_jobs.words:count          # module:function, called as count(client, **args)
    args: {text: "${lake}/{name}.txt", output: "${lake}/{name}_${run.date}.json"}
    workers: 2

# keep_failed_for: 30m       # a cluster whose job failed is left for a look; with one job only
deadlines: {run: 1h}
alerts: {critical: pager}
"""
"""A pipeline that runs at once on :data:`SAMPLE`; ``{name}`` stands for its name."""

SAMPLE = {
    "lake/{name}.txt": "to be or not to be\nthat is the question\nto sleep perchance to dream\n",
    "{name}_jobs/__init__.py": '"""Functions that pipelines run."""\n',
    "{name}_jobs/words.py": '''\
"""What the job of {name}.yaml runs. Nothing here knows where: on this machine and on a cluster it is the same."""

import json
from collections import Counter
from pathlib import Path


def count(client, text, output):
    """Count words, each line on whatever worker is free; what is returned is shown as the task's result."""
    lines = Path(text).read_text().splitlines()
    total = sum(client.gather(client.map(_words, lines)), Counter())
    Path(output).write_text(json.dumps(total))
    return {"words": total.total(), "different": len(total), "output": output}


def _words(line):
    return Counter(line.split())
''',
}
"""Files below the project's folder -> their text."""

__all__ = ["EXAMPLE", "SAMPLE", "SPEC", "ComposerDaskSpec", "Job"]
