# SPDX-License-Identifier: Apache-2.0
"""The page on failures names every code that a run can fail with, and none that no code raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from airflow_dataops.core.dataproc_dask.diagnosis import Reason
from airflow_dataops.core.dataproc_dask.result import Code
from tests.house.tree import ROOT

PAGE = ROOT / "docs/how-to/failures.md"
FINDINGS = ROOT / "docs/reference/findings.md"
CODE = re.compile(r"`([A-Z][A-Z0-9_]{3,})`")
# Raised by what runs beside a run: alerts, MLflow (a warning), a janitor, what reads a task's connection, and a look at Kafka.
ELSEWHERE = {"ALERT_ENDPOINT", "ALERT_NOT_SENT", "KAFKA_TOKEN", "MLFLOW", "JANITOR_BLIND", "KUBERNETES_CONNECTION"}
RUNS = ("jobs", "engines", "clients", "core/refine", "core/dq_gate")
SINGLE = ("errors", "fit", "lease", "job_outcome", "run", "slices", "secrets", "s3", "s3_sources")


def raised() -> set[str]:
    """Codes that stand as literals where a run works: ``code="…"`` and the classes' own."""
    folders = [ROOT / "airflow_dataops" / name for name in RUNS]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    files += [ROOT / f"airflow_dataops/core/{name}.py" for name in SINGLE]
    return {code for path in files for code in _codes(ast.parse(path.read_text(encoding="utf-8")))}


def _codes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        value: ast.expr | None = None
        if isinstance(node, ast.keyword) and node.arg == "code":
            value = node.value
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.value if any(isinstance(n, ast.Name) and n.id == "default_code" for n in names) else None
        for part in ast.walk(value) if value is not None else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isupper():
                yield part.value


def test_every_code_that_a_run_fails_with_is_on_the_page() -> None:
    known = set(CODE.findall(PAGE.read_text(encoding="utf-8"))) | set(
        CODE.findall(FINDINGS.read_text(encoding="utf-8"))
    )
    assert raised() - known - ELSEWHERE == set()


def test_the_page_on_dask_names_every_reason_why_a_run_fails_there() -> None:
    text = (ROOT / "docs/how-to/dataproc_dask.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert {reason.value for reason in Reason} <= {code for row in rows for code in re.findall(r"`([A-Z_]+)`", row)}


def test_the_page_on_the_driver_names_every_code_of_a_result() -> None:
    text = (ROOT / "docs/explanation/dask_driver.md").read_text(encoding="utf-8")
    assert {code.value for code in Code} <= set(CODE.findall(text))


def test_the_page_names_no_code_that_nothing_raises() -> None:
    named = set(CODE.findall(PAGE.read_text(encoding="utf-8")))
    assert named - raised() == set()
