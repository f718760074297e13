# SPDX-License-Identifier: Apache-2.0
"""A run of the flights pipeline as its steps would leave it, with the real figures of the data, and its earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_dataops.core.refine.history import Point
from airflow_dataops.core.refine.spec import ReportSpec, RunResult
from airflow_dataops.core.refine.summary import summarise

ROWS = 336_776
RUN = {
    "pipeline": "flights",
    "key": "2013-12-31T000000",
    "interval_start": "2013-12-31T00:00:00Z",
    "interval_end": "2014-01-01T00:00:00Z",
}
STEPS = ["gate_bronze", "refine", "gate_silver", "publish"]
NULLS = {"dep_time": 8255, "dep_delay": 8255, "arr_time": 8713, "arr_delay": 9430, "tailnum": 2512, "air_time": 9430}
TYPES = {
    **dict.fromkeys(
        ("year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute"), "int64"
    ),
    **dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"), "float64"),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest", "time_hour"), "string"),
}


def rule(kind: str, column: str, unexpected: int = 0, evaluated: int = ROWS, **more: Any) -> dict[str, Any]:
    share = None if more.get("row_rule") is False else (evaluated - unexpected) / evaluated
    return {
        "id": f"{kind}({column})",
        "type": kind,
        "columns": [name for name in column.split(", ") if name],
        "evaluated": evaluated,
        "unexpected": unexpected,
        "share": share,
        "passed": unexpected == 0,
        "message": f"{unexpected:,} of {evaluated:,} rows break it" if unexpected else "",
        **more,
    }


def flight(hour: int, carrier: str, number: int, tail: str | None, way: str) -> dict[str, Any]:
    return {
        "year": 2013, "month": 1, "day": 2, "dep_time": None, "sched_dep_time": hour, "arr_time": None, "carrier": carrier,
        "flight": number, "tailnum": tail, "origin": way[:3], "dest": way[4:], "air_time": None, "distance": 719,
    }  # fmt: skip


def bronze_rules() -> list[dict[str, Any]]:
    masked = "8a1f5e0c77b3d2946f0e1cb5d8a4437e"
    no_tail = [
        flight(1545, "AA", 133, None, "JFK LAX"),
        flight(1601, "UA", 623, None, "EWR ORD"),
        flight(857, "UA", 714, None, "EWR MIA"),
    ]
    no_time = [flight(1630, "EV", 4308, masked, "EWR RDU"), flight(1935, "AA", 791, masked, "LGA DFW"), *no_tail]
    return [
        rule("row_count", "", evaluated=ROWS, row_rule=False, observed=ROWS, id="row_count(min=1)"),
        rule("column_set", "", evaluated=ROWS, row_rule=False, observed=list(TYPES)),
        rule("not_null", "dep_time", 8255, examples=no_time),
        rule("not_null", "tailnum", 2512, examples=no_tail),
        rule("not_null", "arr_time", 8713, severity="warning", examples=no_time),
        rule("not_null", "air_time", 9430, severity="warning", mostly=0.95, passed=True),
        rule("in_set", "origin"),
        rule("between", "month"),
        rule("between", "distance"),
        rule(
            "regex",
            "tailnum",
            375,
            ROWS - 2512,
            severity="warning",
            message="375 of 334,264 do not match ^N[1-9][0-9A-Z]{1,4}$",
        ),
        rule("length_between", "carrier"),
        rule("compound_unique", "year, month, day, carrier, flight, origin"),
    ]


def columns(rows: int, nulls: dict[str, int], types: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": name, "type": kind, "rows": rows, "nulls": nulls.get(name, 0)} for name, kind in types.items()]


def documents() -> dict[str, dict[str, Any]]:
    """Result documents of the four steps, by task id."""
    moment = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
    kept, silver = 328_521, 328_063
    silver_types = TYPES | {"dep_time": "int64", "arr_time": "int64", "time_hour": "timestamp", "speed_mph": "float64"}
    found: list[dict[str, Any]] = [
        {
            "job": "dq_gate", "verdict": "quarantined", "rules": bronze_rules(), "columns": columns(ROWS, NULLS, TYPES),
            "reasons": ["not_null(dep_time): 8,255 of 336,776 rows", "not_null(tailnum): 2,512 of 336,776 rows",
                        "not_null(arr_time): 8,713 rows (warning)", "regex(tailnum): 375 rows (warning)"],
            "rows": {"read": ROWS, "quarantined": 8255}, "bytes_read": 5_248_363,
            "seconds": {"open": 0.11, "scan": 0.62, "keys": 0.21, "bad rows": 0.14, "total": 1.12},
            "quarantine_uri": "/lake/quarantine/flights/run_key=2013-12-31T000000",
        },
        {
            "job": "refine", "rows": {"read": kept, "dropped": {"null in arr_time": 458}, "written": silver}, "files": 12,
            "columns": columns(silver, {"air_time": 717, "arr_delay": 717, "speed_mph": 717}, silver_types),
            "bytes_read": 5_248_363, "bytes_written": 6_911_002, "drift": ["new column speed_mph"],
            "seconds": {"open": 0.09, "dedup": 0.41, "write": 0.88, "total": 1.46},
        },
        {
            "job": "dq_gate", "verdict": "warned", "reasons": ["between(speed_mph): 1 of 327,346 rows (warning)"],
            "rules": [
                rule("not_null", "tailnum", evaluated=silver), rule("between", "distance", evaluated=silver),
                rule("row_count", "", evaluated=silver, row_rule=False, observed=silver),
                rule("between", "speed_mph", 1, silver - 717, severity="warning",
                     examples=[{"speed_mph": 703.4, "distance": 762, "air_time": 65}]),
            ],
            "rows": {"read": silver}, "bytes_read": 6_911_002, "seconds": {"open": 0.05, "scan": 0.31, "total": 0.38},
        },
        {
            "job": "publish", "table": "/lake/silver/flights", "files_added": 12, "files_removed": 12, "rows_removed": silver,
            "rows": {"read": silver, "written": silver}, "quarantine_uri": "/lake/quarantine/flights/run_key=2013-12-31T000000",
            "seconds": {"bad rows": 0.02, "commit": 0.04, "total": 0.07},
        },
    ]  # fmt: skip
    versions = {"airflow-dataops": "0.1.0", "duckdb": "2.0.0", "pyarrow": "22.0.0"}
    common = {"run": RUN, "versions": versions, "peak_memory_bytes": 214 * 2**20}
    return {
        task: {"task": task, "started_at": (moment + timedelta(seconds=5 * place)).isoformat(), **common, **document}
        for place, (task, document) in enumerate(zip(STEPS, found, strict=True))
    }


@pytest.fixture
def step_documents() -> dict[str, dict[str, Any]]:
    return documents()


@pytest.fixture
def sample() -> Callable[[], dict[str, dict[str, Any]]]:
    """Return a function that gives fresh step documents, for tests of many examples."""
    return documents


@pytest.fixture
def make_run() -> Callable[..., RunResult]:
    """Return ``make_run(documents, title=…)``: the result of a run with these step documents."""

    def make(found: dict[str, dict[str, Any]] | None = None, title: str = "flights") -> RunResult:
        spec = {"task": "report", "lake": "/lake", "run": RUN, "title": title, "steps": STEPS}
        return summarise(ReportSpec.model_validate(spec), documents() if found is None else found)

    return make


@pytest.fixture
def history() -> list[Point]:
    return earlier()


def earlier(count: int = 24) -> list[Point]:
    """Earlier runs, one a day, of every verdict."""
    start = datetime(2013, 12, 31, tzinfo=UTC) - timedelta(days=count)
    found = []
    for day in range(count):
        verdict = {7: "failed", 15: "warned", 3: "passed", 4: "passed"}.get(day, "quarantined")
        aside = 0 if verdict in ("passed", "warned") else 4200 + (day * 911) % 5200
        rows = 291_000 + day * 1850 + (day * 7919) % 4000
        found.append(
            Point.model_validate(
                {
                    "key": f"run-{day}", "moment": start + timedelta(days=day), "verdict": verdict, "read": rows,
                    "written": 0 if verdict == "failed" else rows - aside - 400,
                    "quarantined_share": aside / rows, "seconds": 2.6 + (day * 37 % 11) / 9,
                }
            )
        )  # fmt: skip
    return found
