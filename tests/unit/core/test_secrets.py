# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.secrets import (
    SecretName,
    field_of,
    has_a_password,
    hide,
    hide_in,
    missing,
    names_a_secret,
    parse,
    references,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("env:SALT", SecretName("env", "SALT")),
        ("var:salt.v1", SecretName("var", "salt.v1")),
        ("conn:lake", SecretName("conn", "lake", "password")),
        ("conn:lake-1.login", SecretName("conn", "lake-1", "login")),
        ("conn:lake.extra.token", SecretName("conn", "lake", "extra.token")),
    ],
)
def test_a_reference_is_read(text: str, name: SecretName) -> None:
    assert parse(text) == name


@pytest.mark.parametrize("text", ["", "SALT", "env:", "env:a b", "conn:", "vault:x", "hunter2!", "env:A\nB"])
def test_what_is_no_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert caught.value.code == "SECRET_REFERENCE"
    assert text in {"", "env:", "conn:"} or text not in str(caught.value)


def test_an_unknown_field_gets_the_nearest_one() -> None:
    with pytest.raises(SpecError, match="did you mean 'password'"):
        parse("conn:lake.pasword")


def test_references_are_found_at_any_depth_each_once() -> None:
    spec = {
        "masks": {
            "a": {"kind": "sha256", "salt": {"secret": "env:B"}},
            "b": {"salt": {"secret": "env:B", "ref": "secret"}},
        }
    }
    assert references({"x": [spec, {"secret": "env:A"}]}) == ["env:A", "env:B"]


def test_a_column_that_is_called_secret_is_no_reference() -> None:
    assert references({"rename": {"secret": "public", "a": "b"}}) == []


def test_fields_of_a_connection_are_texts() -> None:
    fields = {"port": 5432, "schema": "", "extra": {"token": "t", "n": {"a": 1}}}
    assert [field_of(fields, f) for f in ("port", "schema", "login", "extra.token", "extra.n")] == [
        "5432",
        None,
        None,
        "t",
        '{"a": 1}',
    ]


@given(secret=st.text(min_size=4, max_size=20), around=st.text(max_size=10))
def test_a_hidden_secret_is_never_left(secret: str, around: str) -> None:
    left = hide(around + secret + around, [secret])
    assert secret not in left or secret in "***" * 9 or secret in around + "***" + around


def test_the_longest_secret_is_hidden_first() -> None:
    assert hide("abcdef abcd", ["abcd", "abcdef"]) == "*** ***"


@pytest.mark.parametrize(
    "written",
    [
        """SELECT sha256('it''s "é" \\ so'||x)""",
        r"""{"salt": "it's \"\u00e9\" \\ so"}""",
        r"""{"salt": "it's \"é\" \\ so"}""",
        repr({"salt": 'it\'s "é" \\ so'}),
    ],
)
def test_a_secret_is_hidden_as_languages_write_it(written: str) -> None:
    left = hide(written, ['it\'s "é" \\ so'])
    assert "***" in left
    assert "so" not in left


def test_an_engines_excerpt_of_a_query_is_left_out_where_there_are_secrets() -> None:
    said = "Binder Error: no such column\n\nLINE 1: ...-of-a-salt' || tail), nothing FROM t\n                ^"
    assert "of-a-salt" not in hide(said, ["first-half-of-a-salt"])
    assert "Binder Error: no such column" in hide(said, ["first-half-of-a-salt"])
    assert hide(said, []) == said


def test_secrets_are_hidden_at_any_depth() -> None:
    assert hide_in({"a": ["secret1", 2, {"b": "x secret1"}]}, ["secret1"]) == {"a": ["***", 2, {"b": "x ***"}]}


def test_a_missing_secret_is_named_with_what_to_do() -> None:
    assert "set it: the variable SALT" in str(missing("env:SALT", "the variable SALT"))


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "DB_PASSWORD", "dbPassword", "api_key", "apiKey", "apikey", "access-key", "aws_secret_access_key",
     "private_key", "client_secret", "token", "credentials", "pwd"],
)  # fmt: skip
def test_a_name_says_that_it_is_a_secret(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name", ["key", "keys", "primary_key", "tokens", "max_tokens", "secret_name", "password_file", "output", ""]
)
def test_a_name_says_nothing_of_a_secret(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("postgresql://u:pw@host/db", True),
        ("redis://:pw@host", True),
        ("https://host/a:b@c", False),
        ("postgresql://u@host/db", False),
        ("gs://bucket/a@b", False),
        ("s3a://lake/x:1@y", False),
        ("a:b@c", False),
    ],
)
def test_an_address_with_a_password_is_known(text: str, has: bool) -> None:
    assert has_a_password(text) is has
