# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from sqlglot import exp, parse_one

from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.tables import CsvOptions, SourceSpec
from airflow_dataops.engines.duckdb import DuckDBEngine

ROW = "_dataops_source_row"


def query(sql: str) -> exp.Query:
    tree = parse_one(sql, dialect="duckdb")
    assert isinstance(tree, exp.Query)
    return tree


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as made:
        yield made


@pytest.fixture
def read(engine: DuckDBEngine, tmp_path: Path) -> Callable[..., tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]]:
    """``read(name, content, **source)`` -> info, good rows, rejected rows, both in the order of the source."""

    def run(name: str, content: bytes, **source: Any) -> tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]:
        path = tmp_path / "bronze" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        info = engine.open_source(SourceSpec(path=str(path), **source), "v", decoded=str(tmp_path / "decoded"))
        good = engine.rows(query(f"SELECT * EXCLUDE (_dataops_source_file) FROM v ORDER BY {ROW}"))
        bad = engine.rows(query(f"SELECT {ROW}, line, reason FROM v_rejected ORDER BY {ROW}"))
        return info, good, bad

    return run


def parquet(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def opened(engine: DuckDBEngine, path: Path | str, tmp_path: Path, **source: Any) -> Any:
    return engine.open_source(SourceSpec(path=str(path), **source), "v", decoded=str(tmp_path / "decoded"))


def test_a_row_of_a_parquet_source_says_where_it_was(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/month=1/a.parquet", x=[7, 8])
    parquet(tmp_path / "t/month=2/b.parquet", x=[9])
    info = opened(engine, tmp_path / "t", tmp_path)
    rows = engine.rows(query("SELECT * FROM v ORDER BY x"))
    assert info.columns == {"x": "bigint", "month": "bigint"}
    assert [(r["x"], r["month"], r["_dataops_source_file"], r[ROW]) for r in rows] == [
        (7, 1, f"{tmp_path}/t/month=1/a.parquet", 0),
        (8, 1, f"{tmp_path}/t/month=1/a.parquet", 1),
        (9, 2, f"{tmp_path}/t/month=2/b.parquet", 0),
    ]


def test_a_partition_keeps_its_text_when_types_say_so(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/month=01/a.parquet", x=[7])
    opened(engine, tmp_path / "t", tmp_path, types={"month": "string"})
    assert engine.rows(query("SELECT month FROM v")) == [{"month": "01"}]


def test_types_of_parquet_columns_cannot_be_declared(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/month=01/a.parquet", x=[7])
    with pytest.raises(SpecError, match="only partition columns"):
        opened(engine, tmp_path / "t", tmp_path, types={"x": "string"})


def test_a_column_may_be_missing_in_some_files(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/a.parquet", x=[1])
    parquet(tmp_path / "t/b.parquet", x=[2], y=["new"])
    opened(engine, tmp_path / "t", tmp_path)
    assert engine.rows(query("SELECT x, y FROM v ORDER BY x")) == [{"x": 1, "y": None}, {"x": 2, "y": "new"}]


def test_files_that_disagree_on_a_type_are_both_named(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/a.parquet", x=[1])
    parquet(tmp_path / "t/b.parquet", x=["one"])
    with pytest.raises(InputError) as caught:
        opened(engine, tmp_path / "t", tmp_path)
    assert caught.value.code == "SOURCE_SCHEMA"
    assert "a.parquet" in caught.value.message
    assert "b.parquet" in caught.value.message


def test_a_column_without_any_value_agrees_with_every_type(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/a.parquet", x=pa.array([None], pa.null()))
    parquet(tmp_path / "t/b.parquet", x=["one"])
    assert opened(engine, tmp_path / "t", tmp_path).columns == {"x": "string"}


@pytest.mark.parametrize("cut", [0, 4, 60, -1])
def test_a_broken_parquet_file_is_named(engine: DuckDBEngine, tmp_path: Path, cut: int) -> None:
    parquet(tmp_path / "t/good.parquet", x=[1])
    whole = (tmp_path / "t/good.parquet").read_bytes()
    (tmp_path / "t/broken.parquet").write_bytes(whole[:cut])
    with pytest.raises(InputError, match=r"broken\.parquet") as caught:
        opened(engine, tmp_path / "t", tmp_path)
    assert caught.value.code == "SOURCE_UNREADABLE"


def test_a_missing_source_says_what_is_there(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "flights/a.parquet", x=[1])
    with pytest.raises(InputError, match="holds flights/") as caught:
        opened(engine, tmp_path / "flight", tmp_path)
    assert caught.value.code == "SOURCE_MISSING"
    assert "did you mean" in (caught.value.hint or "")


def test_hidden_files_are_no_data(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/a.parquet", x=[1])
    for name in ("_SUCCESS", ".a.parquet.crc", "_temporary/b.parquet"):
        (tmp_path / "t" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "t" / name).write_text("no data")
    assert opened(engine, tmp_path / "t", tmp_path).files == (f"{tmp_path}/t/a.parquet",)


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("t/*/a.parquet", {"x/a.parquet", "y/a.parquet"}),
        ("t/**/*.parquet", {"x/a.parquet", "y/a.parquet", "y/z/b.parquet"}),
        ("t/y/**", {"y/a.parquet", "y/z/b.parquet"}),
        ("t/[x]", {"x/a.parquet"}),
        ("t/?/z/b.*", {"y/z/b.parquet"}),
    ],
)
def test_globs(engine: DuckDBEngine, tmp_path: Path, glob: str, found: set[str]) -> None:
    for name in ("x/a.parquet", "y/a.parquet", "y/z/b.parquet"):
        parquet(tmp_path / "t" / name, x=[1])
    assert {path.removeprefix(f"{tmp_path}/t/") for path in opened(engine, tmp_path / glob, tmp_path).files} == found


def test_engine_types_become_canonical_ones(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/a.parquet", u=pa.array([1], pa.uint32()), n=pa.array([1001], pa.timestamp("ns")))
    info = opened(engine, tmp_path / "t", tmp_path)
    assert info.columns == {"u": "bigint", "n": "timestamp"}
    assert engine.columns("v").items() >= info.columns.items()


def test_csv_keeps_bad_records_with_line_and_reason(read: Callable[..., Any]) -> None:
    info, good, bad = read("a.csv", b'a,b\n1,x\n2,"y\nz"\n3\nx,q\n4,st"ray\n5,fine\n', format="csv", types={"a": "int"})
    assert info.columns == {"a": "integer", "b": "string"}
    assert [(r["a"], r["b"], r[ROW]) for r in good] == [(1, "x", 1), (2, "y\nz", 2), (5, "fine", 7)]
    assert [(r[ROW], r["line"], r["reason"]) for r in bad] == [
        (4, "3", "1 fields instead of 2"),
        (5, "x,q", "column a: x is not integer"),
        (6, '4,st"ray', "a quote is not closed or stands inside a field"),
    ]
    assert info.rejected == 3


def test_a_stray_quote_costs_one_line(read: Callable[..., Any]) -> None:
    content = b'a,b\n1,"open\n' + b"".join(b"%d,fine\n" % n for n in range(2, 1000))
    _, good, bad = read("a.csv", content, format="csv")
    assert [r["line"] for r in bad] == ['1,"open']
    assert len(good) == 998


def test_csv_nulls_quotes_and_delimiter(read: Callable[..., Any]) -> None:
    options = CsvOptions(delimiter=";", quote="'", null_values=["", "NA"], header=False, columns=["a", "b", "c"])
    _, good, bad = read("a.csv", "'it''s; ok';NA;\r\n;x;ü\r\n".encode(), format="csv", csv=options)
    assert [(r["a"], r["b"], r["c"]) for r in good] == [("it's; ok", None, None), (None, "x", "ü")]
    assert bad == []


def test_csv_of_another_encoding(read: Callable[..., Any]) -> None:
    _, good, _ = read("a.csv", "a\nmüde\n".encode("latin-1"), format="csv", csv=CsvOptions(encoding="latin-1"))
    assert good[0]["a"] == "müde"


def test_bytes_that_are_no_utf8_are_rejected_not_fatal(read: Callable[..., Any]) -> None:
    _, good, bad = read("a.csv", b"\xef\xbb\xbfa\nfine\nm\xfcde\n", format="csv")
    assert [r["a"] for r in good] == ["fine"]
    assert [(r["line"], r["reason"]) for r in bad] == [("m\\xFCde", "not valid UTF-8")]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a,a\n1,2\n", "more than once"), (b"a,\n1,2\n", "without a name"), (b"\n\n", "no line"), (b"", "empty")],
)
def test_a_csv_header_that_names_no_columns(read: Callable[..., Any], content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read("a.csv", content, format="csv")


def test_csv_files_with_other_columns_are_united(engine: DuckDBEngine, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "t/2.csv").write_text("b,a,c\n20,10,30\n")
    opened(engine, tmp_path / "t", tmp_path, format="csv")
    rows = engine.rows(query("SELECT a, b, c FROM v ORDER BY a"))
    assert rows == [{"a": "1", "b": "2", "c": None}, {"a": "10", "b": "20", "c": "30"}]


def test_json_lines_flatten_nested_objects(read: Callable[..., Any]) -> None:
    content = b'{"user":{"name":"Ann","tags":["x","y"]},"n":1}\n\n{"user":null}\n{"n":"one"}\n[]\n{"n":\n'
    flatten = {"name": "user.name", "tag": "user.tags[1]", "n": "n"}
    info, good, bad = read("a.jsonl", content, format="jsonl", flatten=flatten, types={"n": "bigint"})
    assert info.columns == {"name": "string", "tag": "string", "n": "bigint"}
    assert [(r["name"], r["tag"], r["n"]) for r in good] == [("Ann", "y", 1), (None, None, None)]
    assert [(r[ROW], r["reason"]) for r in bad] == [
        (3, "column n: one is not bigint"),
        (4, "not a JSON object"),
        (5, "not a JSON object"),
    ]


def test_json_lines_without_flatten_take_all_keys(read: Callable[..., Any]) -> None:
    info, good, _ = read("a.jsonl", b'{"b":1}\n{"a":{"x":[1]},"b":null}\n', format="jsonl")
    assert list(info.columns) == ["b", "a"]
    assert [(r["a"], r["b"]) for r in good] == [(None, "1"), ('{"x":[1]}', None)]


def test_text_with_a_pattern(read: Callable[..., Any]) -> None:
    pattern = r"^(?P<verb>GET|POST) (/)(?P<path>\S*) (?P<ms>\d+)$"
    info, good, bad = read(
        "a.log", b"GET /a 12\nnonsense\nPOST / 7\r\n", format="text", pattern=pattern, types={"ms": "int"}
    )
    assert info.columns == {"verb": "string", "path": "string", "ms": "integer"}
    assert [(r["verb"], r["path"], r["ms"]) for r in good] == [("GET", "a", 12), ("POST", None, 7)]
    assert [(r[ROW], r["line"]) for r in bad] == [(1, "nonsense")]


def test_text_without_a_pattern_is_one_column(read: Callable[..., Any]) -> None:
    _, good, _ = read("a.log", b"one\n\nthree", format="text")
    assert [(r["line"], r[ROW]) for r in good] == [("one", 0), ("", 1), ("three", 2)]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_compressed_text_and_its_truncation(
    read: Callable[..., Any], ending: str, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(b"".join(b"line %d\n" % n for n in range(5000)))
    _, good, _ = read(f"a.log{ending}", content, format="text")
    assert len(good) == 5000
    with pytest.raises(InputError, match="cannot be read") as caught:
        read(f"a.log{ending}", content[: len(content) // 2], format="text")
    assert caught.value.code == "SOURCE_UNREADABLE"


def test_zstandard(read: Callable[..., Any]) -> None:
    packed = pa.Codec("zstd").compress(b"one\ntwo\n", asbytes=True)
    assert [r["line"] for r in read("a.log.zst", packed, format="text")[1]] == ["one", "two"]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"format": "text", "pattern": "(?P<x>a"}, "PATTERN_INVALID"),
        ({"format": "text", "pattern": "(?=a)(?P<x>a)"}, "PATTERN_INVALID"),
        ({"format": "text", "pattern": "a+"}, "PATTERN_INVALID"),
        ({"format": "text", "pattern": "(?P<x>a)", "types": {"y": "int"}}, "UNKNOWN_COLUMN"),
        ({"format": "jsonl", "flatten": {"a": "a..b"}}, "FLATTEN_PATH"),
        ({"format": "csv", "csv": CsvOptions(delimiter="||")}, "CSV_OPTIONS"),
        ({"format": "csv", "csv": CsvOptions(encoding="utf-9")}, "ENCODING_UNKNOWN"),
        ({"format": "csv", "types": {"a": "integr"}}, "UNKNOWN_TYPE"),
    ],
)
def test_options_that_cannot_be_meant(read: Callable[..., Any], source: dict[str, Any], code: str) -> None:
    with pytest.raises(SpecError) as caught:
        read("a.txt", b"a\n1\n", **source)
    assert caught.value.code == code


def test_nothing_decodes(read: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="none of the 2 lines") as caught:
        read("a.jsonl", b"no\nno\n", format="jsonl", flatten={"a": "a"})
    assert len(caught.value.details["examples"]) == 2


def test_a_later_step_reads_what_was_decoded(engine: DuckDBEngine, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\n")
    first = opened(engine, tmp_path / "a.log", tmp_path, format="text")
    written = (tmp_path / "decoded/00000.parquet").stat().st_mtime_ns
    assert opened(engine, tmp_path / "a.log", tmp_path, format="text") == first
    assert (tmp_path / "decoded/00000.parquet").stat().st_mtime_ns == written


def test_a_changed_source_is_decoded_anew(read: Callable[..., Any]) -> None:
    first, _, _ = read("a.log", b"one\n", format="text")
    second, good, _ = read("a.log", b"one\ntwo\n", format="text")
    assert len(good) == 2
    assert first.fingerprint != second.fingerprint


def test_delta_with_odd_partition_values(engine: DuckDBEngine, tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3], "p": ["x y", "ü/%=é", None]})
    write_deltalake(tmp_path / "d", table, partition_by=["p"])
    write_deltalake(tmp_path / "d", pa.table({"a": [4], "p": ["z"], "new": [1.5]}), mode="append", schema_mode="merge")
    info = opened(engine, tmp_path / "d", tmp_path, format="delta")
    rows = engine.rows(query("SELECT a, p, new FROM v ORDER BY a"))
    assert [(r["a"], r["p"], r["new"]) for r in rows] == [
        (1, "x y", None),
        (2, "ü/%=é", None),
        (3, None, None),
        (4, "z", 1.5),
    ]
    assert info.columns == {"a": "bigint", "p": "string", "new": "double"}


def test_an_empty_delta_table_has_its_columns(engine: DuckDBEngine, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "d", pa.table({"a": pa.array([], pa.int64())}))
    assert opened(engine, tmp_path / "d", tmp_path, format="delta").columns == {"a": "bigint"}
    assert engine.rows(query("SELECT a FROM v")) == []


def test_no_delta_table(engine: DuckDBEngine, tmp_path: Path) -> None:
    parquet(tmp_path / "t/a.parquet", x=[1])
    with pytest.raises(InputError, match="no Delta table"):
        opened(engine, tmp_path / "t", tmp_path, format="delta")
