# SPDX-License-Identifier: Apache-2.0
"""One date's run beside no, ten, a hundred and a thousand earlier dates of the same table: what the history costs, step by step.

    python benchmarks/bench_history.py [--dates 0 10 100 1000] [--rows 5000] [--rounds 5] [--case window] [--format delta] [--smoke]

Three pipelines (a daily window; a table partitioned by day; files that belong to a run), each into parquet and Delta. The first
date is a real run; the others are what it left, shifted by whole days: data files, commits made by the same function, one index, one
folder of records each. Then new dates are run in this process, one lake after the other in turn, and medians are printed with the
difference and the ratio to the lake without earlier dates. The table must hold every date's rows at the end.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from airflow_dataops.clients import delta
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.refine.publish import Moments, TableFile, file_stem, table_digest
from airflow_dataops.core.refine.spec import PublishSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import JobResult, RunSlice
from airflow_dataops.jobs.table_files import read_index, write_index
from dag_factories.run import run_pipeline

FIRST = datetime(2015, 1, 1, tzinfo=UTC)
STEPS = ("gate_bronze", "refine", "gate_silver", "publish", "report")
PROJECT = "version: 1\ndefault_target: local\ntargets:\n  local: {engine: duckdb, runner: local, lake: ./lake}\n"
YAML = """\
version: 1
kind: bronze_to_silver
name: events
schedule: "@daily"
start_date: 2015-01-01
source: {path: "${lake}/bronzeSOURCE", format: parquet}
target: {path: "${lake}/silver/events", format: FORMAT, partition_by: [BY]}
SLICE
clean:
  drop_nulls: [user]
  dedup: {keys: [event_id], keep: last, order_by: [at]}
quality:
  bronze: {rules: [{not_null: user}, {between: [amount, 0, 1000]}], on_failure: quarantine, max_quarantine_ratio: 0.5}
  silver: {rules: [{not_null: event_id}, {unique: event_id}], on_failure: fail}
"""
DATE = "/day=${run.date}"
CASES = {"window": ("", "", "window: {column: at, size: day}"), "partition": (DATE, "day", ""), "run": (DATE, "", "")}


@dataclass
class Lake:
    """A project with its lake, and how many dates are in its table."""

    root: Path
    case: str
    format: str
    rows: int
    dates: int = 0

    @property
    def file(self) -> Path:
        """The pipeline."""
        return self.root / "events.yaml"

    @property
    def table(self) -> Path:
        """The silver table."""
        return self.root / "lake/silver/events"

    def run(self, number: int) -> dict[str, tuple[float, float]]:
        """Run one date; returns step -> wall and processor seconds."""
        day = FIRST + timedelta(days=number)
        self._deliver(day)
        taken: dict[str, tuple[float, float]] = {}
        last = (time.perf_counter(), time.process_time())

        def tell(result: JobResult) -> None:
            nonlocal last
            now = (time.perf_counter(), time.process_time())
            taken[result.task] = (now[0] - last[0], now[1] - last[1])
            last = now

        outcomes = list(run_pipeline(self.file, dates=f"{day:%Y-%m-%d}", now=datetime.now(UTC), on_step=tell))
        if any(outcome.failed for outcome in outcomes):
            raise SystemExit(f"{self.case} {self.format}: {[step.error for step in outcomes[0].steps]}")
        self.dates += 1
        return taken

    def count(self) -> int:
        """Return the rows of the table as DuckDB or delta-rs reads it."""
        if self.format == "delta":
            return sum(file.rows or 0 for file in delta.snapshot(str(self.table)).files)
        row = duckdb.connect().execute(f"SELECT count(*) FROM '{self.table}/**/*.parquet'").fetchone()
        return int(row[0]) if row else 0

    def _deliver(self, day: datetime) -> None:
        folder = self.root / f"lake/bronze/day={day:%Y-%m-%d}"
        folder.mkdir(parents=True)
        with duckdb.connect() as connection:
            connection.execute(f"""COPY (SELECT i::BIGINT AS event_id, 'user' || i % 977 AS user, (i % 900)::DOUBLE AS amount,
                TIMESTAMP '{day:%Y-%m-%d}' + to_seconds(i % 86400) AS at FROM range({self.rows}) AS t(i))
                TO '{folder}/part.parquet' (FORMAT parquet)""")


def lake_of(root: Path, case: str, fmt: str, rows: int, earlier: int) -> Lake:
    """Make a project whose table holds ``earlier`` dates."""
    lake = Lake(root, case, fmt, rows)
    source, by, owned = CASES[case]
    root.mkdir()
    (root / "dataops.yaml").write_text(PROJECT)
    lake.file.write_text(
        YAML.replace("SOURCE", source).replace("FORMAT", fmt).replace("BY", by).replace("SLICE", owned)
    )
    if not earlier:
        return lake
    lake.run(0)
    copies = [_copy(lake, number) for number in range(1, earlier)]
    if fmt == "delta":
        window = "at" if case == "window" else None
        state = delta.snapshot(str(lake.table))
        for file, application in copies:
            version = delta.commit(state, [file], [], application=application, token=1, window=window)
            state.table.update_incremental()
            state = replace(state, version=version)
    _remember(lake, [file for file, _ in copies])
    lake.dates = earlier
    return lake


def _copy(lake: Lake, number: int) -> tuple[TableFile, str]:
    """Copy the first date's file and records, shifted by ``number`` days; returns the file, and its run's name in Delta's log."""
    day, first = FIRST + timedelta(days=number), RunContext(pipeline="events", key=f"{FIRST:%Y-%m-%dT%H%M%S}")
    run = RunContext(pipeline="events", key=f"{day:%Y-%m-%dT%H%M%S}")
    records = lake.root / "lake/.dataops/runs/events"
    owned = PublishSpec.model_validate_json((records / first.key / "steps/publish.spec.json").read_text()).slice
    theirs = owned
    if isinstance(owned, RunSlice) and owned.source:
        theirs = owned.model_copy(update={"source": owned.source.replace(f"{FIRST:%Y-%m-%d}", f"{day:%Y-%m-%d}")})
    old = next(lake.table.rglob(f"*{file_stem(first, owned)}*.parquet"))
    folder = old.parent.with_name(f"day={day:%Y-%m-%d}") if lake.case == "partition" else old.parent
    folder.mkdir(exist_ok=True)
    new = folder / old.name.replace(file_stem(first, owned), file_stem(run, theirs))
    shutil.copy(old, new)
    (records / run.key).mkdir()
    text = (records / first.key / "result.json").read_text()
    dates = ((FIRST + timedelta(days=1), day + timedelta(days=1)), (FIRST, day))
    for one, other in dates:
        text = text.replace(f"{one:%Y-%m-%d}", f"{other:%Y-%m-%d}")
    (records / run.key / "result.json").write_text(text)
    values: dict[str, str | None] = {"day": f"{day:%Y-%m-%d}"} if lake.case == "partition" else {}
    moments = Moments(low=day, high=day + timedelta(seconds=lake.rows - 1)) if lake.case == "window" else None
    path = str(new.relative_to(lake.table))
    file = TableFile(path=path, rows=lake.rows, bytes=new.stat().st_size, partition=values, moments=moments)
    return file, f"dataops/events/{run.key}"


def _remember(lake: Lake, files: Sequence[TableFile]) -> None:
    storage, path = storage_for(str(lake.root)), index_of(lake)
    known = read_index(storage, path)
    if known is None:
        raise SystemExit(f"{path} is missing: a run leaves it")
    versions = {file.path: _version(lake, file) for file in files}
    named = [(versions[file.path], file) for file in files]
    window = "at" if lake.case == "window" else None
    write_index(path, "delta" if lake.format == "delta" else "parquet", known.columns, named, window, known)


def index_of(lake: Lake) -> str:
    """Return the index of a lake's table."""
    return f"{lake.root}/lake/.dataops/tables/{table_digest(str(lake.table))}.json"


def _version(lake: Lake, file: TableFile) -> str:
    if lake.format == "delta":
        return str(file.bytes)
    info = storage_for(str(lake.root)).info(f"{lake.table}/{file.path}")
    return info.version if info else ""


def measure(lakes: Sequence[Lake], rounds: int) -> list[dict[str, tuple[float, float]]]:
    """Run new dates in each lake in turn; returns a lake's medians of wall and processor seconds."""
    found: list[list[dict[str, tuple[float, float]]]] = [[] for _ in lakes]
    for number in range(rounds + 1):
        for lake, taken in zip(lakes, found, strict=True):
            fresh = lake.run(4000 + number)
            if number:  # the first round warms imports and pages
                taken.append(fresh)
    return [
        {step: (_median(taken, step, 0), _median(taken, step, 1)) for step in STEPS if step in taken[0]}
        for taken in found
    ]


def _median(taken: list[dict[str, tuple[float, float]]], step: str, place: int) -> float:
    return statistics.median(one[step][place] for one in taken)


def show(name: str, counts: Sequence[int], medians: Sequence[dict[str, tuple[float, float]]]) -> None:
    """Print one table: a line for each number of earlier dates."""
    print(f"\n{name}: milliseconds, wall (processor)")
    print(f"{'dates':>6} " + " ".join(f"{step:>14}" for step in medians[0]) + f" {'all':>14}   against {counts[0]}")
    totals = [tuple(sum(pair[place] for pair in taken.values()) for place in (0, 1)) for taken in medians]
    for count, taken, total in zip(counts, medians, totals, strict=True):
        cells = [*taken.values(), total]
        line = " ".join(f"{1000 * wall:7.0f} ({1000 * busy:4.0f})" for wall, busy in cells)
        more = 1000 * (total[0] - totals[0][0])
        print(f"{count:>6} {line}   x{total[0] / totals[0][0]:.2f} ({total[1] / totals[0][1]:.2f}), {more:+.0f} ms")


def compare(case: str, fmt: str, counts: Sequence[int], rows: int, rounds: int) -> None:
    """Make the lakes, measure, print, and check that nothing was lost."""
    with tempfile.TemporaryDirectory(prefix="bench-history-") as folder:
        lakes = [lake_of(Path(folder) / str(count), case, fmt, rows, count) for count in counts]
        show(f"{case}, {fmt}", counts, measure(lakes, rounds))
        for lake in lakes:
            if lake.count() != lake.dates * rows:
                raise SystemExit(f"{case} {fmt}: {lake.count()} rows instead of {lake.dates} x {rows}")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dates", type=int, nargs="+", default=[0, 10, 100, 1000])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--format", choices=("parquet", "delta"), action="append")
    parser.add_argument("--smoke", action="store_true", help="once, small: does it run")
    given = parser.parse_args()
    counts, rounds = ([0, 3], 1) if given.smoke else (given.dates, given.rounds)
    for case in given.case or CASES:
        for fmt in given.format or ("parquet", "delta"):
            compare(case, fmt, counts, given.rows, rounds)


if __name__ == "__main__":
    main()
