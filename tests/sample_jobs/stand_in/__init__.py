# SPDX-License-Identifier: Apache-2.0
"""Jobs that return fixed results of the real shapes, so that operators are tested apart from engines.

What a job does is said by the file ``mode`` in the lake, one word: ``ok`` where there is none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec, RuleOutcome
from airflow_dataops.core.errors import PublishError, StorageError
from airflow_dataops.core.refine.spec import PublishResult, PublishSpec, RefineResult, RefineSpec, ReportSpec, RunResult
from airflow_dataops.core.tables import JobResult, JobSpec, RowCounts

log = logging.getLogger("stand_in")
Progress = Callable[[str], None]


def mode_of(spec: JobSpec) -> str:
    file = Path(spec.lake, "mode")
    return file.read_text() if file.exists() else "ok"


def act(spec: JobSpec, secrets: Mapping[str, str] | None) -> None:
    for name, value in (secrets or {}).items():
        log.warning("secret %s is %s", name, value)
    mode = mode_of(spec)
    if mode == "storage":
        raise StorageError("the lake did not answer")
    if mode == "refused":
        raise PublishError("the table has another schema", hint="set drift")
    if mode == "sleep":
        Path(spec.lake, "started").write_text("")
        time.sleep(60)


def gate(spec: GateSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None) -> JobResult:
    act(spec, secrets)
    if progress:
        progress("checking 100% of the rows")
    failed = mode_of(spec) == "bad_rows"
    rules = [
        RuleOutcome(
            id="not_null(tailnum)",
            type="not_null",
            columns=["tailnum"],
            evaluated=100,
            unexpected=7 if failed else 0,
            passed=not failed,
            message="expected no nulls",
            examples=[{"tailnum": None, "flight": n} for n in range(5)] if failed else [],
        )
    ]
    return GateResult(
        task=spec.task,
        run=spec.run,
        verdict="failed" if failed else "passed",
        reasons=["not_null(tailnum) failed"] if failed else [],
        rules=rules,
        rows=RowCounts(read=100),
        bytes_read=1000,
    )


def refine(
    spec: RefineSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> JobResult:
    act(spec, secrets)
    counts = RowCounts(read=100, quarantined=7, dropped={"drop_nulls(a)": 3}, written=90)
    return RefineResult(task=spec.task, run=spec.run, rows=counts, files=2, bytes_read=1000, bytes_written=500)


def publish(
    spec: PublishSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> JobResult:
    act(spec, secrets)
    return PublishResult(
        task=spec.task,
        run=spec.run,
        rows=RowCounts(written=90),
        bytes_written=500,
        table=spec.target.path,
        files_added=2,
    )


def report(
    spec: ReportSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> JobResult:
    act(spec, secrets)
    return RunResult(task=spec.task, run=spec.run, title=spec.title, verdict="failed", reasons=["x" * 500] * 40)
