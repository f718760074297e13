# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.secrets import variable_of
from airflow_dataops.jobs.secrets import connection_fields, from_environment
from tests.sample_jobs import document
from tests.sample_jobs.sample_job import SampleSpec


def spec(name: str) -> SampleSpec:
    return SampleSpec.model_validate(document(Path("/lake"), "ok", salt={"secret": name}))


@pytest.mark.parametrize(
    ("name", "environ", "value"),
    [
        ("env:Salt", {"Salt": "a"}, "a"),
        ("var:salt", {"AIRFLOW_VAR_SALT": "b"}, "b"),
        ("conn:lake", {"AIRFLOW_CONN_LAKE": "s3://me:p%40ss@host:9000/db?region=eu"}, "p@ss"),
        ("conn:lake.port", {"AIRFLOW_CONN_LAKE": "s3://me:pw@host:9000/db"}, "9000"),
        ("conn:lake.extra.region", {"AIRFLOW_CONN_LAKE": "s3://me:pw@host:9000/db?region=eu"}, "eu"),
        ("conn:lake", {"AIRFLOW_CONN_LAKE": '{"conn_type": "s3", "password": "c"}'}, "c"),
        ("conn:lake.extra.t", {"AIRFLOW_CONN_LAKE": '{"extra": "{\\"t\\": \\"d\\"}"}'}, "d"),
        ("conn:lake.uri", {"AIRFLOW_CONN_LAKE": "s3://x"}, "s3://x"),
    ],
)
def test_a_secret_is_found_under_airflows_names(name: str, environ: dict[str, str], value: str) -> None:
    assert from_environment(spec(name), environ) == {name: value}


@pytest.mark.parametrize(
    ("name", "environ"),
    [("env:SALT", {}), ("var:salt", {"SALT": "x"}), ("conn:lake.schema", {"AIRFLOW_CONN_LAKE": "s3://me:pw@host"})],
)
def test_a_secret_that_is_not_set_is_named(name: str, environ: dict[str, str]) -> None:
    with pytest.raises(SpecError, match=name):
        from_environment(spec(name), environ)


@pytest.mark.parametrize("text", ["no uri", "{broken", "s3://host:notaport/", ""])
def test_a_broken_connection_is_not_repeated(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        connection_fields(text)
    assert caught.value.code == "SECRET_CONNECTION"
    assert not text or text not in str(caught.value)


def test_nothing_is_looked_up_that_is_not_asked_for() -> None:
    plain: dict[str, Any] = document(Path("/lake"), "ok")
    assert from_environment(SampleSpec.model_validate(plain), {"SALT": "x"}) == {}


@pytest.mark.parametrize("name", ["env:Salt", "var:salt", "conn:lake", "conn:lake.extra.t"])
def test_a_variable_of_its_own_goes_before_all_other_places(name: str) -> None:
    elsewhere = {"Salt": "a", "AIRFLOW_VAR_SALT": "b", "AIRFLOW_CONN_LAKE": "s3://me:pw@host:9000/db?t=c"}
    assert from_environment(spec(name), elsewhere | {variable_of(name): "own"}) == {name: "own"}


def test_references_that_differ_have_variables_that_differ() -> None:
    names = ["env:salt", "env:SALT", "var:salt", "conn:a-b", "conn:a_b", "conn:a_b.password", "conn:a.extra.b"]
    variables = {variable_of(name) for name in names}
    assert len(variables) == len(names)
    assert all(re.fullmatch("DATAOPS_SECRET_[A-Z0-9_]+", name) for name in variables)
