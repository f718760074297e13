# SPDX-License-Identifier: Apache-2.0
"""Deliveries that are not what they should be: the day fails with a code, the table stays, and once it is mended all is as it should be."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.faults import FaultPoint, armed
from tests.faults.bad_day import CSV, DAY_BEFORE, JSONL, Lab, State, expect_failure, no_secret, orders

BEFORE, GOOD = orders(count=20), orders(first=5, count=30)
Deliver = Callable[[Lab], object]
TEXT = b"id,amount,email\n1,1.5,a@b\n2,2.5,c@d\n3,3.5,e@f\n"


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


LARGE = parquet(orders(count=2000))


def start(root: Path, table_format: str = "parquet", **more: object) -> Lab:
    """A lab whose day before went well."""
    lab = Lab(root, table_format, **more)  # type: ignore[arg-type]
    lab.put("a.parquet", BEFORE)
    assert lab.run(DAY_BEFORE).status == 0
    return lab


def deliver_good(lab: Lab) -> None:
    shutil.rmtree(lab.bronze, ignore_errors=True)
    lab.bronze.mkdir()
    lab.put("a.parquet", GOOD)


@pytest.fixture(scope="module", params=["parquet", "delta"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, State]:
    """The format, and what a day without a fault gives in it."""
    lab = start(tmp_path_factory.mktemp("undisturbed"), request.param)
    deliver_good(lab)
    assert lab.run().status == 0
    return request.param, lab.state()


@pytest.fixture(scope="module")
def goes_well(tmp_path_factory: pytest.TempPathFactory) -> State:
    """What a day without a fault gives in a parquet table."""
    lab = start(tmp_path_factory.mktemp("goes_well"))
    deliver_good(lab)
    assert lab.run().status == 0
    return lab.state()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return start(tmp_path / "project")


def file(name: str, data: pa.Table | bytes) -> Deliver:
    return lambda lab: lab.put(name, data)


def instead(action: Callable[[Path], object]) -> Deliver:
    def deliver(lab: Lab) -> None:
        path = lab.bronze / "a.parquet"
        path.unlink()
        action(path)

    return deliver


def linked(target: str) -> Deliver:
    return lambda lab: os.symlink(target, lab.bronze / "b.parquet")


HUGE = pa.array([10**37, 1], pa.decimal128(38, 0))
BAD: dict[str, tuple[Deliver, str, tuple[str, ...]]] = {
    "the footer is gone": (file("b.parquet", LARGE[:-20]), "SOURCE_UNREADABLE", ("b.parquet",)),
    "half of it": (file("b.parquet", LARGE[: len(LARGE) // 2]), "SOURCE_UNREADABLE", ("b.parquet",)),
    "zeros inside, the footer is whole": (
        file("b.parquet", LARGE[:200] + b"\0" * 500 + LARGE[700:]),
        "SOURCE_UNREADABLE",
        ("b.parquet",),
    ),
    "bytes lost inside, the footer is whole": (
        file("b.parquet", LARGE[:200] + LARGE[700:]),
        "SOURCE_UNREADABLE",
        ("b.parquet",),
    ),
    "empty, among good ones": (file("b.parquet", b""), "SOURCE_UNREADABLE", ("b.parquet", "0 bytes")),
    "empty, alone": (file("a.parquet", b""), "SOURCE_UNREADABLE", ("a.parquet", "0 bytes")),
    "text in the place of Parquet": (file("b.parquet", TEXT), "SOURCE_UNREADABLE", ("b.parquet",)),
    "a rule's column is missing": (
        file("a.parquet", GOOD.drop_columns(["amount"])),
        "UNKNOWN_COLUMN",
        ("bronze/orders", "amount"),
    ),
    "a published column is missing": (file("a.parquet", GOOD.drop_columns(["email"])), "SCHEMA_DRIFT", ("email",)),
    "another type than the published": (
        file("a.parquet", orders(amount=pa.array([7] * 10))),
        "SCHEMA_DRIFT",
        ("amount", "double", "bigint"),
    ),
    "another type than a rule can take": (
        file("a.parquet", orders(amount=pa.array(["7"] * 10))),
        "BAD_ARGUMENT_TYPE",
        ("bronze/orders", "amount", "string"),
    ),
    "integers that no bigint holds": (file("a.parquet", orders(count=2, id=HUGE)), "SCHEMA_DRIFT", ("id", "decimal")),
    "files disagree": (
        file("b.parquet", orders(amount=pa.array(["x"] * 10))),
        "SOURCE_SCHEMA",
        ("a.parquet", "b.parquet", "amount"),
    ),
    "names that differ in case": (
        file("b.parquet", orders(count=2, ID=pa.array([1, 2]))),
        "SOURCE_SCHEMA",
        ("b.parquet", "'id'", "'ID'"),
    ),
    "a name of ours": (
        file("a.parquet", orders(count=1, _dataops_source_row=pa.array([1]))),
        "SOURCE_SCHEMA",
        ("a.parquet", "_dataops_source_row"),
    ),
    "gone": (instead(lambda _path: None), "SOURCE_MISSING", ("bronze/orders",)),
    "its folder is gone": (lambda lab: shutil.rmtree(lab.bronze), "SOURCE_MISSING", ("bronze/orders",)),
    "an empty folder in its place": (instead(Path.mkdir), "SOURCE_MISSING", ("bronze/orders", "a.parquet/")),
    "a link that leads nowhere": (linked("nowhere.parquet"), "SOURCE_UNREADABLE", ("b.parquet", "leads nowhere")),
    "a link to itself": (linked("b.parquet"), "SOURCE_UNREADABLE", ("b.parquet", "leads nowhere")),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_delivery_changes_nothing_and_mended_it_is_as_if_it_had_never_been(
    lab: Lab, goes_well: State, what: str
) -> None:
    deliver, code, names = BAD[what]
    table, bad_rows = lab.files(), lab.files("quarantine")
    deliver(lab)
    expect_failure(lab, lab.run(), table, code, *names)
    assert lab.files("quarantine") == bad_rows
    deliver_good(lab)
    assert lab.run().status == 0
    assert lab.state() == goes_well


def test_each_format_of_the_table_is_left_alone(undisturbed: tuple[str, State], tmp_path: Path) -> None:
    lab = start(tmp_path / "project", undisturbed[0])
    table = lab.files()
    lab.put("a.parquet", LARGE[:-20])
    expect_failure(lab, lab.run(), table, "SOURCE_UNREADABLE", "a.parquet")
    lab.put("a.parquet", orders(amount=pa.array([7] * 10)))
    expect_failure(lab, lab.run(), table, "SCHEMA_DRIFT", "amount")
    deliver_good(lab)
    assert lab.run().status == 0
    assert lab.state() == undisturbed[1]


MEANWHILE: dict[str, tuple[FaultPoint, str, Deliver, str, tuple[str, ...]]] = {
    "gone between gate and refine": (
        FaultPoint.JOB_RECORDED,
        "refine",
        instead(lambda _path: None),
        "SOURCE_MISSING",
        ("bronze/orders",),
    ),
    "replaced between gate and refine": (
        FaultPoint.JOB_RECORDED,
        "refine",
        file("a.parquet", orders(first=70, count=30)),
        "SOURCE_CHANGED",
        ("bronze/orders", "gate_bronze"),
    ),
    "one more between gate and refine": (
        FaultPoint.JOB_RECORDED,
        "refine",
        file("b.parquet", orders(first=70, count=30)),
        "SOURCE_CHANGED",
        ("bronze/orders",),
    ),
    "gone between open and scan": (
        FaultPoint.GATE_OPENED,
        "gate_bronze",
        instead(lambda _path: None),
        "SOURCE_CHANGED",
        ("a.parquet",),
    ),
    "gone before its rows are written": (
        FaultPoint.REFINE_DEDUPLICATED,
        "refine",
        instead(lambda _path: None),
        "SOURCE_CHANGED",
        ("a.parquet",),
    ),
    "replaced before its rows are written": (
        FaultPoint.REFINE_DEDUPLICATED,
        "refine",
        file("a.parquet", orders(first=70, count=30)),
        "SOURCE_CHANGED",
        ("bronze/orders",),
    ),
    "cut off before its rows are written": (
        FaultPoint.REFINE_DEDUPLICATED,
        "refine",
        file("a.parquet", LARGE[:-20]),
        "",
        ("a.parquet",),
    ),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_source_that_changes_under_a_run_stops_it(lab: Lab, goes_well: State, what: str) -> None:
    point, task, change, code, names = MEANWHILE[what]
    deliver_good(lab)
    table, done = lab.files(), threading.Event()

    def hook(reached: FaultPoint) -> None:
        if reached is point and not done.is_set():
            done.set()
            change(lab)

    with armed(hook):
        day = lab.run()
    assert done.is_set()
    expected = code or day.error["code"]
    assert expected in ("SOURCE_CHANGED", "SOURCE_UNREADABLE", "SOURCE_MISSING")
    expect_failure(lab, day, table, expected, *names, task=task)
    deliver_good(lab)
    assert lab.run().status == 0
    assert lab.state() == goes_well


@pytest.fixture
def text_lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Return ``make(source)``: a lab with a text source and a good day before."""

    def make(source: str = CSV, name: str = "a.csv", data: bytes = TEXT, **more: object) -> Lab:
        lab = Lab(tmp_path / "text", source=source, **more)  # type: ignore[arg-type]
        lab.put(name, data)
        assert lab.run(DAY_BEFORE).status == 0
        return lab

    return make


BAD_TEXT: dict[str, tuple[str, str, bytes, tuple[str, ...]]] = {
    "empty": (CSV, "a.csv", b"", ("a.csv", "0 bytes")),
    "only line ends": (CSV, "a.csv", b"\n\n\n", ("a.csv", "no line")),
    "not UTF-8": (CSV, "a.csv", bytes(range(128, 256)) * 10, ("a.csv", "utf-8")),
    "UTF-16": (CSV, "a.csv", TEXT.decode().encode("utf-16"), ("a.csv", "utf-8")),
    "gz cut off": (CSV, "a.csv.gz", gzip.compress(TEXT)[:-12], ("a.csv.gz", "ended before")),
    "gz that is none": (CSV, "a.csv.gz", TEXT, ("a.csv.gz", "Not a gzipped file")),
    "gz with rubbish behind": (CSV, "a.csv.gz", gzip.compress(TEXT) + b"rubbish", ("a.csv.gz",)),
    "JSON that is no line": (JSONL, "a.jsonl", b'{\n "id": 1,\n "amount": 2\n}\n', ("a.jsonl", "not a JSON object")),
    "JSON list": (JSONL, "a.jsonl", b"[1, 2]\n", ("a.jsonl", "not a JSON object")),
    "no integer that fits": (JSONL, "a.jsonl", b'{"id": 1' + b"0" * 30 + b', "amount": 1}\n', ("a.jsonl", "bigint")),
}


@pytest.mark.parametrize("what", BAD_TEXT)
def test_text_that_cannot_be_read_is_named(text_lab: Callable[..., Lab], what: str) -> None:
    source, name, data, names = BAD_TEXT[what]
    good = TEXT if source == CSV else b'{"id": 1, "amount": 1.5, "email": "a@b"}\n'
    lab = text_lab(source, name, gzip.compress(good) if name.endswith(".gz") else good)
    table = lab.files()
    lab.put(name, data)
    expect_failure(lab, lab.run(), table, "SOURCE_UNREADABLE", *names, task="gate_bronze")


def test_lines_that_do_not_decode_are_counted_and_kept(text_lab: Callable[..., Lab]) -> None:
    lab = text_lab()
    lab.put("a.csv", TEXT.replace(b"a@b", b"\xff\xfe") + b"x,1,y\n" + b"4,4.5,g@h\n5,5.5")
    day = lab.run()
    rows = day.result["rows"]
    assert (day.status, day.result["verdict"]) == (0, "quarantined")
    assert (rows["read"], rows["quarantined"], rows["written"]) == (6, 3, 3)
    assert len(lab.bad_rows()) == 3
    no_secret(lab, day)


def test_a_file_that_grows_while_it_is_read_is_not_taken_half(text_lab: Callable[..., Lab]) -> None:
    lab = text_lab(data=TEXT)
    table = lab.files()
    path = lab.put("a.csv", TEXT + b"7,7.5,x@y\n" * 100_000)

    def write_on(_point: FaultPoint) -> None:
        with path.open("ab", buffering=0) as out:
            out.write(b"8,8.5,z@z\n")

    with armed(write_on):
        day = lab.run()
    expect_failure(lab, day, table, "SOURCE_CHANGED", "bronze/orders")
    assert lab.run().status == 0


def test_no_rows_are_a_delivery_too(lab: Lab) -> None:
    lab.put("a.parquet", GOOD.slice(0, 0))
    day = lab.run()
    assert (day.status, day.result["verdict"], lab.rows()) == (0, "passed", [])


def test_no_rows_publish_nothing_where_a_rule_says_so(tmp_path: Path) -> None:
    lab = start(tmp_path / "p", more="", silver="{row_count: {min: 1}}")
    table = lab.files()
    lab.put("a.parquet", GOOD.slice(0, 0))
    expect_failure(lab, lab.run(), table, "GATE_FAILED", "row_count", task="gate_silver")


def test_all_rows_bad_stop_at_the_ratio_and_can_be_looked_at(tmp_path: Path) -> None:
    lab = start(tmp_path / "p", ratio=0.5)
    table, bad = lab.files(), pa.concat_tables([orders(first=number * 10 + 9, count=1) for number in range(8)])
    lab.put("a.parquet", bad)
    expect_failure(lab, lab.run(), table, "GATE_FAILED", "8 of 8 rows", "max_quarantine_ratio", task="gate_bronze")
    assert len(lab.bad_rows()) == 8, "what stopped the run can be looked at"
    deliver_good(lab)
    assert lab.run().status == 0
    assert len(lab.bad_rows()) == 3, "a rerun replaces what the run put aside"


def test_all_rows_bad_empty_the_table_where_the_ratio_is_one(lab: Lab) -> None:
    lab.put("a.parquet", orders(first=9, count=1))
    day = lab.run()
    assert (day.status, day.result["verdict"], day.result["published"]) == (0, "quarantined", True)
    assert (lab.rows(), len(lab.bad_rows())) == ([], 1)


ODD: dict[str, pa.Table] = {
    "NaN and infinity": orders(count=4, amount=pa.array([float("nan"), float("inf"), float("-inf"), 1.0])),
    "dates out of range": orders(
        count=3, day=pa.array([date.min, date.max, None]), at=pa.array([-(10**17), 10**17, None], pa.timestamp("us"))
    ),
    "moments of year 290000": orders(count=2, at=pa.array([2**62, -(2**62)], pa.timestamp("us"))),
    "nested": orders(count=2, n=pa.array([{"a": [1, 2], "b": {"c": "x"}}, None])),
    "dictionary": orders(count=2, n=pa.array(["a", "b"]).dictionary_encode()),
    "names to quote": orders(count=1, **{'we"ird, col': pa.array([1]), "it's": pa.array([1]), "a b": pa.array([1])}),
    "names in other scripts": orders(
        count=1, **{"naïve 🚀": pa.array([1]), "日本": pa.array([2]), "ꙮ" * 80: pa.array([3])}
    ),
    "a name that is a word of SQL": orders(count=1, select=pa.array([1]), **{"from": pa.array([1])}),
    "binary and nulls": orders(count=2, b=pa.array([b"\0\xff", None]), nothing=pa.nulls(2)),
    "uint64": orders(count=2, big=pa.array([2**64 - 1, 0], pa.uint64())),
}


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
@pytest.mark.parametrize("what", ODD)
def test_odd_values_and_names_are_published_or_refused_with_a_code(
    tmp_path: Path, what: str, table_format: str
) -> None:
    lab = Lab(tmp_path / "p", table_format)
    lab.put("a.parquet", ODD[what])
    day = lab.run()
    if day.status:
        error = expect_failure(lab, day, {}, day.error["code"])
        assert error["code"] in {"VALUE_NOT_CONVERTIBLE", "VALUE_REFUSED", "DELTA_TYPE", "UNKNOWN_TYPE"}, error
        return
    rows = day.result["rows"]
    assert rows["read"] == ODD[what].num_rows
    assert len(lab.rows()) == rows["written"] == rows["read"] - rows["quarantined"]
    no_secret(lab, day)


@pytest.mark.integration
def test_thousands_of_tiny_files_and_of_columns(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "p")
    for number in range(2000):
        lab.put(f"{number:05d}.parquet", orders(first=number * 10, count=1))
    day = lab.run()
    assert (day.status, len(lab.rows())) == (0, 2000), day.printed
    shutil.rmtree(lab.bronze)
    lab.bronze.mkdir()
    wide = {f"column {number}": pa.array([number] * 10) for number in range(5000)}
    lab.put("wide.parquet", orders(**wide))
    day = lab.run()
    assert (day.status, len(lab.rows())) == (0, 9), day.printed
