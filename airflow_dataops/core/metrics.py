# SPDX-License-Identifier: Apache-2.0
"""Which metrics a job's result is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

_AREAS = {"dq_gate": "dataops.dq", "refine": "dataops.refine", "dask_job": "dataops.dask_job"}


@dataclass(frozen=True)
class Metric:
    """One measurement.

    Attributes:
        kind: ``gauge`` (the latest value counts), ``incr`` (values are added up) or ``timing`` (milliseconds).
        name: Full name.
        value: What was measured.
        tags: Few values each: never a run key, never a row.
    """

    kind: Literal["gauge", "incr", "timing"]
    name: str
    value: float
    tags: dict[str, str]


def metrics_of(result: Mapping[str, Any]) -> list[Metric]:
    """Return the metrics of a result document.

    ``dataops.dq.*`` of a gate, ``dataops.dask_job.*`` of a function on Dask, ``dataops.refine.*`` of refine, publish and report.

    Args:
        result: A dumped :class:`~airflow_dataops.core.tables.JobResult`.
    """
    job = str(result["job"])
    area = _AREAS.get(job, f"dataops.refine.{job}")
    tags = {"pipeline": str(result["run"]["pipeline"]), "task": str(result["task"])}
    found = [Metric("gauge", f"{area}.{name}", value, tags) for name, value in _numbers(job, result).items()]
    if "verdict" in result:
        found.append(Metric("incr", f"{area}.verdict", 1, {**tags, "verdict": str(result["verdict"])}))
    seconds = (result.get("seconds") or {}).get("total")
    if seconds is not None:
        found.append(Metric("timing", f"{area}.duration", round(seconds * 1000, 3), tags))
    return found


def _numbers(job: str, result: Mapping[str, Any]) -> dict[str, float]:
    rows = result.get("rows") or {}
    if job == "publish":
        return {
            "rows": rows.get("written", 0),
            "files_added": result["files_added"],
            "files_removed": result["files_removed"],
        }
    if job == "report":
        return {}
    if job == "dask_job":
        return {"workers": result["workers"]}
    numbers = {"rows_read": rows.get("read", 0), "rows_quarantined": rows.get("quarantined", 0)}
    if job == "dq_gate":
        failed = [rule for rule in result["rules"] if not rule["passed"]]
        return numbers | {
            "rules": len(result["rules"]),
            "rules_failed": len(failed),
            "rules_failed_critical": sum(rule["severity"] == "critical" for rule in failed),
        }
    return numbers | {
        "rows_dropped": sum((rows.get("dropped") or {}).values()),
        "rows_deduplicated": rows.get("deduplicated", 0),
        "rows_written": rows.get("written", 0),
        "bytes_written": result.get("bytes_written", 0),
    }


__all__ = ["Metric", "metrics_of"]
