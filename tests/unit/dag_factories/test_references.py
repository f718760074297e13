# SPDX-License-Identifier: Apache-2.0
"""``${…}``: what is one, what is not, and what stands for it in a plan."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from dag_factories.plans.model import EnvRef, RunRef
from dag_factories.references import PATH_KINDS, expand_lake, looks_like_reference, parse, secret, typed


def test_references_are_found_with_their_places() -> None:
    found = parse("${lake}/x/${run.date}/${env:HOME}-${var:a.b}-${conn:s3.extra.key}")
    assert [(ref.kind, ref.name) for ref in found] == [
        ("lake", ""),
        ("run", "date"),
        ("env", "HOME"),
        ("var", "a.b"),
        ("conn", "s3.extra.key"),
    ]
    assert [ref.start for ref in found] == [0, 10, 22, 34, 45]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("${lak}", "did you mean ${lake}?"),
        ("${run.dat}", "did you mean ${run.date}?"),
        ("${rundate}", "did you mean ${run.date}?"),
        ("x${", "write it as ${run.date}"),
        ("${}", None),
        ("${env:}", "did you mean ${env:NAME}?"),
        ("${env:A B}", None),
        ("${secret:x}", None),
        ("${run.}", None),
    ],
)
def test_an_unknown_reference_is_refused(text: str, hint: str | None) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert caught.value.code == "UNKNOWN_REFERENCE"
    assert hint is None or caught.value.hint == hint
    assert caught.value.details["offset"] == text.index("$")


def test_a_kind_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(SpecError, match="REFERENCE_NOT_ALLOWED"):
        parse("a ${run.date}", PATH_KINDS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("/data/x", "/data/x"),
        ("/data/${run.date}", RunRef(template="/data/${run.date}")),
        ("${env:LAKE}/${run.date}", EnvRef(template="${env:LAKE}/${run.date}")),
    ],
)
def test_what_stands_for_a_text_in_a_plan(text: str, value: object) -> None:
    assert typed(text) == value


def test_the_lake_is_expanded_and_nothing_else() -> None:
    assert expand_lake("${lake}/x/${run.date}", "/data") == "/data/x/${run.date}"


def test_a_secret_is_one_reference() -> None:
    assert secret("${env:SALT}").secret == "env:SALT"


@pytest.mark.parametrize("text", ["pepper", "x${env:SALT}", "${env:A}${env:B}", ""])
def test_a_written_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        secret(text)
    assert caught.value.code == "SECRET_IN_FILE"
    assert "pepper" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"), [("cost: $5", None), ("^a${2}", None), ("a ${run.x}", 2), ("${env:A}", 0), ("${other}", None)]
)
def test_what_can_only_be_meant_as_a_reference(text: str, place: int | None) -> None:
    assert looks_like_reference(text) == place


@given(st.text(alphabet="${}runlake.:env date", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = []
    with contextlib.suppress(SpecError):
        found = parse(text)
    assert all(text[ref.start : ref.start + 2] == "${" and text[ref.end - 1] == "}" for ref in found)
