# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline (gate, refine, publish, report) as one document in and a short one out, for drivers on clusters."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from airflow_dataops.core.errors import from_dict, unknown_name
from airflow_dataops.core.tables import EngineName, JobResult, JobSpec
from airflow_dataops.jobs import process
from airflow_dataops.jobs.records import layout_of

# Job -> module and name of its spec; its function is `run` of airflow_dataops.jobs.<job>.
_SPECS = {
    "dq_gate": ("airflow_dataops.core.dq_gate.spec", "GateSpec"),
    "refine": ("airflow_dataops.core.refine.spec", "RefineSpec"),
    "publish": ("airflow_dataops.core.refine.spec", "PublishSpec"),
    "report": ("airflow_dataops.core.refine.spec", "ReportSpec"),
}
# What of a result goes back to Airflow; rules, columns and examples of bad rows stay in the lake.
_RETURNED = {
    "job", "task", "run", "status", "verdict", "reasons", "rows", "bytes_read", "bytes_written", "quarantine_uri", "files",
    "table", "files_added", "files_removed", "rows_removed", "version", "already_done", "published", "page", "seconds",
}  # fmt: skip
_REASONS, _LONGEST_REASON = 10, 200


def spec_of(document: Mapping[str, Any], *, engine: EngineName) -> JobSpec:
    """Return the typed spec of a step.

    Args:
        document: The spec as JSON, with ``job``.
        engine: Engine where the document names none.

    Raises:
        SpecError: There is no such step (``UNKNOWN_JOB``), or its spec is not valid (``JOB_SPEC_INVALID``).
    """
    job = str(document.get("job"))
    if job not in _SPECS:
        raise unknown_name("step", job, _SPECS, code="UNKNOWN_JOB")
    module, name = _SPECS[job]
    kind: type[JobSpec] = getattr(importlib.import_module(module), name)
    return process.parse_spec(kind, {"engine": engine, **document})


def perform(spec: JobSpec, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Do a step's work in this process, and leave its records in the lake as every job does.

    Args:
        spec: As :func:`spec_of` returns it.
        secrets: Reference -> value.

    Returns:
        A short document: ``job``, ``task``, ``run``, ``status``, ``verdict`` and the first ``reasons`` (of a gate or report),
        ``rows``, what was written, ``seconds``, and where the ``result`` lies.

    Raises:
        DataOpsError: The step failed; its error is on record, too.
    """
    run: process.Run[Any] = importlib.import_module(f"airflow_dataops.jobs.{spec.job}").run
    result = process.execute(spec, run, secrets)
    if result.error is not None:
        raise from_dict(result.error)
    return _short(spec, result)


def _short(spec: JobSpec, result: JobResult) -> dict[str, Any]:
    """A driver's result is small: of a gate's rules only whether they passed, which is what metrics count."""
    document = result.model_dump(mode="json")
    kept = {name: value for name, value in document.items() if name in _RETURNED and value is not None}
    if "reasons" in kept:
        kept["reasons"] = [str(reason)[:_LONGEST_REASON] for reason in kept["reasons"][:_REASONS]]
    if spec.job == "dq_gate":
        kept["rules"] = [{"passed": rule["passed"], "severity": rule["severity"]} for rule in document["rules"]]
    return {**kept, "result": layout_of(spec).step_result(spec.task)}


__all__ = ["perform", "spec_of"]
