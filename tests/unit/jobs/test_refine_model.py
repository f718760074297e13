# SPDX-License-Identifier: Apache-2.0
"""The refine job against a model of the same cleaning in plain Python: same rows, same counts, whatever the order and the threads."""

from __future__ import annotations

import math
import re
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dataops.core.refine.spec import RefineResult
from airflow_dataops.jobs.refine import run
from tests.unit.jobs.refine_model import SCHEMA, START, Row, cleanings, rows_of_a_table, spec_of


class Model:
    """The documented cleaning, row by row."""

    def __init__(self, choice: Row) -> None:
        self.choice = choice
        self.counts: dict[str, int] = {"quarantined": 0, "deduplicated": 0}
        self.dropped: dict[str, int] = {}
        self.casts_to_null = 0

    def clean(self, rows: list[Row]) -> list[Row]:
        for name in self.choice["drop"]:
            self.dropped[f"drop_nulls({ {'k': 'key'}.get(name, name) })"] = 0
        for text in self.choice["keep"]:
            self.dropped[f"keep_if({text.replace('k is', 'key is')})"] = 0
        good = [row for row in (self._one(dict(row)) for row in rows) if row is not None]
        return good if self.choice["dedup"] is None else self._dedup(good)

    def _one(self, row: Row) -> Row | None:
        value = row["s"]
        if self.choice["cast"]:
            if not self._cast(row):
                return None
        elif self.choice["trim"] and value is not None:
            row["s"] = value.strip()
        if row["f"] is not None and math.isnan(row["f"]):
            row["f"] = None
        if self.choice["fill"] and row["f"] is None:
            row["f"] = 1.0
        for name in self.choice["drop"]:
            if row[name] is None:
                self.dropped[f"drop_nulls({ {'k': 'key'}.get(name, name) })"] += 1
                return None
        for text in self.choice["keep"]:
            if not self._kept(text, row):
                self.dropped[f"keep_if({text.replace('k is', 'key is')})"] += 1
                return None
        double = None if row["f"] is None else row["f"] * 2
        return {
            "key": row["k"],
            **{n: row[n] for n in "sft"},
            "double": double,
            "quadruple": None if double is None else double * 2,
        }

    def _cast(self, row: Row) -> bool:
        value = row["s"]
        found = re.fullmatch(r"\s*([+-]?\d+)(\.0*)?\s*", value or "", re.ASCII)
        row["s"] = int(found[1]) if found else None
        if value is None or found:
            return True
        if self.choice["cast"] == "quarantine":
            self.counts["quarantined"] += 1
            return False
        self.casts_to_null += 1
        return True

    @staticmethod
    def _kept(text: str, row: Row) -> bool:
        if text == "f > 0":
            return row["f"] is not None and row["f"] > 0
        if text == "k is not null":
            return row["k"] is not None
        return row["f"] is None or row["f"] < 5

    def _dedup(self, rows: list[Row]) -> list[Row]:
        keys = [{"k": "key"}.get(name, name) for name in self.choice["dedup"]]
        groups: dict[Any, list[Row]] = {}
        for row in rows:
            groups.setdefault(tuple(row[name] for name in keys), []).append(row)
        kept = []
        for group in groups.values():
            for part in self._within(group):
                kept.append(min(part, key=self._order))
                self.counts["deduplicated"] += len(part) - 1
        return kept

    def _within(self, group: list[Row]) -> list[list[Row]]:
        if not self.choice["within"]:
            return [group]
        parts = [[row] for row in group if row["t"] is None]
        last = None
        for row in sorted((row for row in group if row["t"] is not None), key=lambda row: row["t"]):
            if last is None or row["t"] >= last + timedelta(minutes=self.choice["within"]):
                parts.append([])
            parts[-1].append(row)
            last = row["t"]
        return parts

    def _order(self, row: Row) -> list[Any]:
        asked = self.choice["order"] or (["t"] if self.choice["within"] else [])
        terms = [
            _rank(row[n.removeprefix("-")], down=n.startswith("-") != (self.choice["keep_which"] == "last"))
            for n in asked
        ]
        return terms + [_rank(value, down=False) for value in row.values()]


def _rank(value: Any, *, down: bool) -> tuple[bool, Any]:
    """Nulls last, whichever the direction."""
    if value is None:
        return (True, 0)
    if isinstance(value, datetime):
        value = (value - START).total_seconds()
    if isinstance(value, str):
        return (False, value.encode())
    return (False, -value if down else value)


def refine(rows: list[Row], choice: Row, threads: int) -> tuple[list[Row], RefineResult]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        half = len(rows) // 2
        for number, part in enumerate((rows[:half], rows[half:])):
            pq.write_table(pa.Table.from_pylist(part, schema=SCHEMA), source / f"{number}.parquet")
        result = run(spec_of(choice, str(source), f"{folder}/lake", threads), progress=lambda _: None)
        files = sorted(Path(folder, "lake").glob(".dataops/staging/p/k/table/*.parquet"))
        return [row for file in files for row in pq.read_table(file).to_pylist()], result


def as_set(rows: list[Row]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


@settings(max_examples=60)
@given(rows_of_a_table, cleanings, st.randoms(use_true_random=False), st.integers(1, 3))
def test_the_job_does_what_the_model_does(rows: list[Row], choice: Row, random: Any, threads: int) -> None:
    model = Model(choice)
    expected = model.clean(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    got, result = refine(shuffled, choice, threads)
    assert as_set(got) == as_set(expected)
    assert result.rows.dropped == model.dropped
    counts = {"quarantined": result.rows.quarantined, "deduplicated": result.rows.deduplicated}
    assert counts == model.counts
    assert sum(result.casts_to_null.values()) == model.casts_to_null
    flow = result.rows
    assert flow.read == len(rows) == flow.quarantined + sum(flow.dropped.values()) + flow.deduplicated + flow.written
