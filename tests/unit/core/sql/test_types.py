# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql import types
from airflow_dataops.core.sql.dialects import render

scalars = st.sampled_from([*types.SCALARS, "decimal(10, 2)", "decimal(38, 38)"])
fields = st.lists(st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=3, unique_by=str.lower)


def _struct(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def join(names: list[str], kinds: list[str]) -> str:
        return f"struct<{', '.join(types._field(n) + ': ' + k for n, k in zip(names, kinds, strict=False))}>"

    return st.builds(join, fields, st.lists(inner, min_size=3, max_size=3))


any_type = st.recursive(
    scalars,
    lambda inner: st.one_of(
        inner.map("list<{}>".format), st.tuples(inner, inner).map(lambda t: f"map<{t[0]}, {t[1]}>"), _struct(inner)
    ),
    max_leaves=6,
)


@given(any_type)
def test_a_canonical_type_survives_the_tree(text: str) -> None:
    assert types.type_name(types.parse_type(text)) == text == types.canonical(text)


@given(any_type.filter(lambda text: "time" not in text.replace("timestamp", "") and "interval" not in text))
def test_spark_says_the_same_type(text: str) -> None:
    assert types.from_engine(render(types.parse_type(text), "spark"), "spark") == text


@given(st.text(max_size=60))
def test_any_text_is_a_type_or_one_clear_error(text: str) -> None:
    try:
        code = types.canonical(text) and "fine"
    except SpecError as error:
        code = error.code
    assert code in ("fine", "UNKNOWN_TYPE")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("int", "integer"),
        ("LONG", "bigint"),
        ("text", "string"),
        ("numeric(4,1)", "decimal(4, 1)"),
        ("array<int>", "list<integer>"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert types.canonical(alias) == name


@pytest.mark.parametrize(
    "text",
    ["", " ", "strng", "int8", "decimal", "decimal(40, 2)", "decimal(2, 3)", "decimal(0, 0)", "list", "list<int",
    "list<int>>",
     "list<int, int>", "map<int>", "struct<>", "struct<a int, A int>", "struct<a: >", "int int", "varchar(10)",
     "list<" * 5000],
)  # fmt: skip
def test_a_bad_type_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as error:
        types.parse_type(text)
    assert error.value.code == "UNKNOWN_TYPE"


def test_a_misspelt_type_gets_a_suggestion() -> None:
    with pytest.raises(SpecError, match="did you mean 'timestamp'"):
        types.canonical("timestmp")


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("true", "boolean"), ("1::tinyint", "tinyint"), ("1::ubigint", "decimal(20, 0)"), ("sum(1)", "decimal(38, 0)"),
        ("1::utinyint", "smallint"), ("1::float", "float"), ("1.5::decimal(4,1)", "decimal(4, 1)"), ("'a'", "string"),
        ("uuid()", "string"), ("'a'::enum('a')", "string"), ("'{}'::json", "string"), ("date '2013-01-01'", "date"),
        ("timestamp '2013-01-01'", "timestamp"), ("timestamp_ns '2013-01-01'", "timestamp"), ("now()", "timestamptz"),
        ("'a'::blob", "binary"), ("[1]", "list<integer>"), ("[1]::int[1]", "list<integer>"),
        ("map{'a': 1}", "map<string, integer>"),
        ("{'a': 1, 'b c': [1.5]}", 'struct<a: integer, "b c": list<decimal(2, 1)>>'), ("null", "string"),
    ],
)  # fmt: skip
def test_what_duckdb_calls_it(expression: str, name: str) -> None:
    row = duckdb.connect().execute(f"select typeof(x) from (select {expression} as x)").fetchone()
    assert row is not None
    assert types.from_engine(row[0], "duckdb") == name


def test_an_engine_type_without_a_twin_is_named() -> None:
    with pytest.raises(SpecError, match="unknown type"):
        types.from_engine("UNION(a INTEGER)", "duckdb")


def test_fields_of_a_struct() -> None:
    assert types.struct_fields("struct<a: int, b: list<int>>") == {"a": "integer", "b": "list<integer>"}
    assert types.struct_fields("integer") == {}


def test_kinds() -> None:
    assert types.is_numeric("decimal(10, 2)")
    assert types.is_text("string")
    assert types.is_temporal("timestamptz")
    assert types.is_nested("list<integer>")
    assert not types.is_numeric("list<integer>")
