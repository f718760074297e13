# SPDX-License-Identifier: Apache-2.0
"""The published OpenAPI document is the API's, and describes what the events' own schema does."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pydantic
import pytest

from tests.house.tree import ROOT, script

tool = script("tools/openapi.py")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(json.loads(tool.PAGE.read_text(encoding="utf-8")))


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 14), reason="pydantic before 2.14 writes schemas another way"
)
def test_the_published_document_is_that_of_the_api() -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.text(), "run tools/openapi.py"


def test_each_reference_leads_somewhere_and_each_schema_is_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert {f"#/components/schemas/{name}" for name in schemas} >= set(references(document))


def test_the_event_in_it_is_the_published_schema_of_an_event(document: dict[str, Any]) -> None:
    event = json.loads((ROOT / "docs/reference/schemas/EventV1.json").read_text(encoding="utf-8"))
    for name in ("required", "additionalProperties"):
        assert document["components"]["schemas"]["EventV1"][name] == event[name]
    assert document["components"]["schemas"]["EventV1"]["properties"].keys() == event["properties"].keys()


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []
