# SPDX-License-Identifier: Apache-2.0
"""Imports all jobs once, and forks a child for each one that is asked for: a start costs milliseconds instead of a second.

The child goes through the same entry as ``python -m airflow_dataops.jobs.<stem> --spec -``. Nothing is connected or opened before the fork.
One JSON request a line on stdin, one JSON answer a line on stdout: ``{"start": {…}} -> {"pid": n}``, ``{"wait": pid} -> {"code": n}``;
``{"look": pid}`` does not wait, and its code is null while the child runs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.refine.maintain import MaintainSpec
from airflow_dataops.core.refine.spec import PublishSpec, RefineSpec, ReportSpec
from airflow_dataops.jobs import dq_gate, maintain, process, publish, refine, report
from tests.faults import reader
from tests.faults.arming import Plan, in_force
from tests.faults.planted import plant

JOBS: dict[str, tuple[Any, Any]] = {
    "dq_gate": (GateSpec, dq_gate.run),
    "refine": (RefineSpec, refine.run),
    "publish": (PublishSpec, publish.run),
    "report": (ReportSpec, report.run),
    "maintain": (MaintainSpec, maintain.run),
}
LAZY = (
    "duckdb", "pyarrow.parquet", "pyarrow.compute", "deltalake.transaction", "airflow_dataops.jobs.publish_delta",
    "airflow_dataops.jobs.publish_parquet", "airflow_dataops.engines.duckdb", "airflow_dataops.engines.duckdb_write",
    "airflow_dataops.engines.duckdb_decode", "airflow_dataops.report.page",
)  # fmt: skip
OF_S3 = (
    "boto3", "s3transfer.manager", "airflow_dataops.clients.delta_mirror", "airflow_dataops.clients.storage_s3",
    "airflow_dataops.clients.objects_fs",
)  # fmt: skip


def main() -> None:
    """Serve until stdin ends."""
    for name in LAZY:
        importlib.import_module(name)
    # Other libraries load pandas where it is there; the others are of lakes in S3.
    for name in ("pandas", *(OF_S3 if "S3_ENDPOINT_URL" in os.environ else ())):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _warm()
    gc.freeze()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, int | None]
        if "wait" in request:
            answer = {"code": os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])}
        elif "look" in request:
            pid, status = os.waitpid(request["look"], os.WNOHANG)
            answer = {"code": os.waitstatus_to_exitcode(status) if pid else None}
        else:
            answer = {"pid": _fork(request["start"])}
        out.write(json.dumps(answer) + "\n")


def _warm() -> None:
    """Make what each child would make anew in half a second: the page's templates, and the client of S3, which connects at its first request."""
    page: Any = importlib.import_module("airflow_dataops.report.page")
    for name in page._environment().list_templates():
        page._environment().get_template(name)
    if "S3_ENDPOINT_URL" in os.environ:
        from airflow_dataops.clients.storage_s3 import s3_storage

        assert s3_storage()._client.boto3


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        folder = Path(order["folder"])
        for number, name, flags in (
            (0, "stdin", os.O_RDONLY),
            (1, "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            handle = os.open(folder / name, flags, 0o644)
            os.dup2(handle, number)
            os.close(handle)
        code = _work(order)
        with contextlib.suppress(ValueError):
            sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - a child must never return into the server's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _work(order: dict[str, Any]) -> int:
    if order["job"] == "reader":
        reader.poll(order["folder"], order["table"], order["format"])
        return 0
    spec_type, run = JOBS[order["job"]]
    plant(order.get("bug"))
    call: Callable[[], int] = lambda: process.main(spec_type, run, ["--spec", "-"])  # noqa: E731
    with in_force(Plan(**order["plan"]), order["trace"]):
        return call()


if __name__ == "__main__":
    main()
