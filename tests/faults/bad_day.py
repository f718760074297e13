# SPDX-License-Identifier: Apache-2.0
"""A pipeline in a folder of its own on which days go wrong: what it published before, and what a bad day must leave as it was."""

from __future__ import annotations

import contextlib
import html
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from dag_factories.cli import main

SALT = "s4lt-th4t-nobody-may-see"
SALT_NAME = "DATAOPS_TEST_SALT"
DAY_BEFORE, BAD_DAY = "2024-01-01", "2024-01-02"
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {source}
target: {{path: "${{lake}}/silver/orders", format: {format}}}
full: true
columns: {{email: {{mask: {{kind: sha256, salt: "${{env:{salt}}}"}}}}}}
clean: {{dedup: {{keys: [id], keep: first, order_by: [amount]}}{clean}}}
quality:
  bronze: {{rules: [{{not_null: id}}, {{between: [amount, 0, 1000000]}}], on_failure: quarantine, max_quarantine_ratio: {ratio}}}
  silver: {{rules: [{silver}]}}
{more}
"""
PARQUET = '{path: "${lake}/bronze/orders"}'
CSV = '{path: "${lake}/bronze/orders", format: csv, types: {id: bigint, amount: double}}'
JSONL = '{path: "${lake}/bronze/orders", format: jsonl, types: {id: bigint, amount: double}}'


State = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Day:
    """What one try of a day printed and left.

    Attributes:
        status: Exit status of ``dataops run``.
        printed: All that it printed.
        result: ``result.json``.
        steps: Task -> result document.
        page: The result page.
    """

    status: int
    printed: str
    result: dict[str, Any]
    steps: dict[str, dict[str, Any]]
    page: str

    @property
    def error(self) -> dict[str, Any]:
        """The error of the step that failed."""
        [error] = [step["error"] for step in self.steps.values() if step.get("error")]
        return dict(error)


class Lab:
    """A project with one pipeline.

    Args:
        root: Its folder, empty.
        table_format: Format of the silver table.
        source: The pipeline's source.
        clean: More of ``clean``, after a comma.
        ratio: ``max_quarantine_ratio``.
        silver: Rule of the silver gate.
        more: More keys of the file.
    """

    def __init__(
        self,
        root: Path,
        table_format: str = "parquet",
        *,
        source: str = PARQUET,
        clean: str = "",
        ratio: float = 1.0,
        silver: str = "{unique: id}",
        more: str = "",
    ) -> None:
        self.root, self.format, self.is_csv = root, table_format, "csv" in source
        self.bronze, self.silver = root / "lake/bronze/orders", root / "lake/silver/orders"
        self.bronze.mkdir(parents=True)
        (root / "dataops.yaml").write_text("version: 1\n")
        text = PIPELINE.format(
            source=source, format=table_format, salt=SALT_NAME, clean=clean, ratio=ratio, silver=silver, more=more
        )
        (root / "orders.yaml").write_text(text)

    def put(self, name: str, table: pa.Table | bytes) -> Path:
        """Deliver a file: a table as Parquet, or bytes as they are."""
        path = self.bronze / name
        if isinstance(table, bytes):
            path.write_bytes(table)
        else:
            pq.write_table(table, path)
        return path

    def run(self, date: str = BAD_DAY) -> Day:
        """Do ``dataops run`` for one day, and read what it left."""
        status, printed = run_printed(self, date)
        return self.day(status, printed, date)

    def day(self, status: int, printed: str, date: str = BAD_DAY) -> Day:
        """Read what the newest try of a day left."""
        record = self.root / f"lake/.dataops/runs/orders/{date}T000000"
        steps = {path.name.removesuffix(".result.json"): path for path in (record / "steps").glob("*.result.json")}
        documents = {task: json.loads(path.read_bytes()) for task, path in steps.items()}
        result = json.loads((record / "result.json").read_bytes())
        ran = {step["task"] for step in result["steps"]}
        known = {task: document for task, document in documents.items() if task in ran}
        return Day(status, printed, result, known, (record / "report.html").read_text())

    def files(self, folder: str = "silver") -> dict[str, bytes]:
        """Every file below a folder of the lake, byte for byte; files in the making are among them."""
        root = self.root / "lake" / folder
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def rows(self) -> list[tuple[Any, ...]]:
        """The silver table as a reader sees it, sorted."""
        if not self.silver.exists():
            return []
        return _rows(DeltaTable(str(self.silver)).file_uris() if self.format == "delta" else self._parquet(self.silver))

    def bad_rows(self, date: str = BAD_DAY) -> list[tuple[Any, ...]]:
        """A day's committed bad rows, sorted, without the file that each comes from."""
        found = self._parquet(self.root / f"lake/quarantine/orders/run_key={date}T000000")
        return _rows(found, leave_out="_dataops_source_file")

    def state(self) -> State:
        """What an undisturbed run and a rerun must agree on."""
        return self.rows(), self.bad_rows()

    def _parquet(self, folder: Path) -> list[str]:
        return [str(path) for path in sorted(folder.rglob("*.parquet"))]


def _rows(files: list[str], leave_out: str = "") -> list[tuple[Any, ...]]:
    tables = [pq.ParquetFile(path).read() for path in files]
    whole = pa.concat_tables(tables, promote_options="default") if tables else pa.table({})
    names = sorted(name for name in whole.column_names if name != leave_out)
    for place, field in enumerate(whole.schema):
        if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type):  # Python knows the years 1 to 9999 only
            whole = whole.set_column(
                place,
                field.name,
                whole[field.name].cast(pa.int64() if pa.types.is_timestamp(field.type) else pa.int32()),
            )
    return sorted(zip(*(whole[name].to_pylist() for name in names), strict=True), key=repr)


def orders(first: int = 0, count: int = 10, **columns: Any) -> pa.Table:
    """Rows with an id, an amount and an e-mail; one of each ten has no id."""
    ids = [None if number % 10 == 9 else number for number in range(first, first + count)]
    made: dict[str, Any] = {
        "id": pa.array(ids, pa.int64()),
        "amount": pa.array([float(n) for n in range(count)], pa.float64()),
        "email": [f"u{number}@example.com" for number in range(first, first + count)],
    }
    return pa.table(made | columns)


def expect_failure(
    lab: Lab, day: Day, before: Mapping[str, bytes], code: str, *names: str, task: str | None = None
) -> dict[str, Any]:
    """Assert all that holds for every day that went wrong before anything was published; returns the error.

    Args:
        lab: Where it happened.
        day: What it left.
        before: The table's files before it.
        code: The error's code.
        names: What the message must name: the file, the column, ….
        task: Task that fails; any when omitted.
    """
    error = day.error
    assert error["code"] == code, error
    assert not [name for name in names if name not in error["message"]], error["message"]
    assert error["hint"], "an error says what to do"
    failed = [step["task"] for step in day.result["steps"] if step["status"] == "failed"]
    assert len(failed) == 1
    assert task is None or failed == [task]
    assert day.status == 1
    assert (day.result["verdict"], day.result["published"]) == ("failed", False)
    assert lab.files() == before, "the table is as it was, byte for byte"
    shown = html.unescape(day.page)
    assert code == "GATE_FAILED" or code in shown, "a gate's reasons are on the page"
    assert code != "GATE_FAILED" or all(reason in shown for reason in error["details"]["reasons"])
    assert error["hint"] in shown
    assert code in day.printed
    no_secret(lab, day)
    return error


def run_printed(lab: Lab, date: str = BAD_DAY) -> tuple[int, str]:
    """Do ``dataops run`` for one day; returns its exit status and all that it printed."""
    os.environ[SALT_NAME] = SALT
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(["run", str(lab.root / "orders.yaml"), "--date", date])
    return status, said.getvalue()


def no_secret(lab: Lab, day: Day | None = None) -> None:
    """Assert that the salt is in no file of the lake and in nothing that was printed."""
    secret = SALT.encode()
    places = [
        name
        for folder in (".dataops", "silver", "quarantine")
        for name, data in lab.files(folder).items()
        if secret in data
    ]
    assert not places
    assert day is None or SALT not in day.printed
