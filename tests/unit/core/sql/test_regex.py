# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.regex import check_regex, java_pattern, java_replacement


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("(?=a)", "lookahead"), ("a(?!b)", "lookahead"), ("(?<=a)b", "lookbehind"), ("(?<!a)b", "lookbehind"),
        (r"(a)\1", "backreference"),
        ("(?P<n>a)(?P=n)", "named backreference"), ("(?>a)", "atomic"), ("a++", "possessive"), ("a{2}+", "possessive"),
        (r"a\Z", r"\\Z"), ("[a&&b]", "class operation"), ("(?(1)a|b)", "conditional"), ("a(?#b)", "comment"),
    ],
)  # fmt: skip
def test_what_one_engine_lacks_is_refused_by_name(pattern: str, named: str) -> None:
    with pytest.raises(SpecError, match=named) as error:
        check_regex(pattern)
    assert error.value.code == "BAD_REGEX"


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a)", "\\", "(?P<a"])
def test_a_broken_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(SpecError) as error:
        check_regex(pattern)
    assert error.value.code == "BAD_REGEX"


@pytest.mark.parametrize(
    "pattern",
    [
        r"^N\d{3,5}[A-Z]{0,2}$",
        r"[(?=]",
        r"\\1",
        r"\(\?=",
        "[[:alpha:]]+",
        r"(?P<n>\d+)",
        r"(?i)abc",
        r"\p{Lu}",
        r"a\z",
        r"[\]^$]",
    ],
)
def test_what_is_common_is_accepted_and_runs(pattern: str) -> None:
    check_regex(pattern)
    duckdb.connect().execute("select regexp_matches('x', ?)", [pattern]).fetchall()


@given(st.text(alphabet=r"ab(){}[]?*+|\.^$=!<>P:1-,d&", max_size=12))
def test_whatever_is_accepted_runs_on_re2(pattern: str) -> None:
    try:
        check_regex(pattern)
    except SpecError:
        return
    try:
        duckdb.connect().execute("select regexp_matches('ab', ?)", [pattern]).fetchall()
    except duckdb.Error as error:
        pytest.fail(f"{pattern!r} was accepted, but: {error}")


@pytest.mark.parametrize(
    ("pattern", "java"),
    [
        ("^a$", r"^a\z"), (r"a\$", r"a\$"), ("[$]", "[$]"), ("(?P<n>a)", "(?<n>a)"), ("(?m)a$", "(?m)a$"),
        ("[[:alpha:]_]$", r"[\p{Alpha}_]\z"), ("[a[b]", r"[a\[b]"), ("[[:^digit:]]", r"[\P{Digit}]"),
    ],
)  # fmt: skip
def test_the_pattern_for_java(pattern: str, java: str) -> None:
    assert java_pattern(pattern) == java


def test_the_replacement_for_java() -> None:
    assert java_replacement(r"\1-$x") == r"$1-\$x"
