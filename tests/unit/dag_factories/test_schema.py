# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema says what the typed models say, and describes every key."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from dag_factories.schema import names, schema_of, schema_of_any, write_schemas
from dag_factories.specs import kinds
from tests.unit.dag_factories.check.broken import GOOD, PROJECT, SCHEMA


def load(text: str) -> Any:
    from dag_factories.reader import parse

    return parse(text.encode(), "f").data


@pytest.mark.parametrize("name", names())
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize("name", names())
def test_every_key_is_described(name: str) -> None:
    schema = schema_of(name)
    parts = [schema, *(part for title, part in schema.get("$defs", {}).items() if title not in TERSE)]
    bare = [key for part in parts for key, value in part.get("properties", {}).items() if not value.get("description")]
    # `kind` tells one form of a union from another; the rest are described where they are used.
    assert set(bare) <= {"kind"}


TERSE = {"CastSpec", "CsvOptions", "DriftSpec"}  # one sentence says all of their keys


def test_a_right_file_is_valid() -> None:
    jsonschema.validate(load(GOOD), schema_of("bronze_to_silver"))
    jsonschema.validate(load(GOOD), schema_of_any())
    jsonschema.validate(load(PROJECT), schema_of("project"))


@pytest.mark.parametrize("kind", kinds())
def test_an_example_is_valid(kind: str) -> None:
    from importlib import import_module

    jsonschema.validate(
        load(import_module(f"dag_factories.specs.{kind}").EXAMPLE.replace("{name}", "x")), schema_of(kind)
    )


@pytest.mark.parametrize(
    "case",
    [case for case in SCHEMA if case.code in ("UNKNOWN_KEY", "MISSING_KEY", "WRONG_TYPE", "BAD_VALUE", "UNKNOWN_KIND")],
    ids=lambda case: case.name,
)
def test_an_editor_sees_what_the_check_sees(case: Any) -> None:
    data = load(GOOD.replace(case.old, case.new, 1))
    if any(not isinstance(key, str) for key in data.get("columns", {})):
        pytest.skip("JSON has no keys that are numbers")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema_of_any())


def test_schemas_are_written_into_the_project(tmp_path: Any) -> None:
    assert {path.relative_to(tmp_path).as_posix() for path in write_schemas(tmp_path)} == {
        f".dataops/schema/{name}.json" for name in names()
    }
