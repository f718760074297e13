# SPDX-License-Identifier: Apache-2.0
"""The published schema and the model say the same of an event, as far as a schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from airflow_dataops.core.metadata.faults import EventRefused
from airflow_dataops.core.metadata.wire import take
from tests.unit.core.metadata.events import NOW, documents, event

SCHEMA = json.loads((Path(__file__).parents[4] / "docs/reference/schemas/EventV1.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@given(documents())
def test_what_the_model_takes_holds_to_the_schema_before_and_after(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)
    VALIDATOR.validate(json.loads(take(document, now=NOW).wire))


@pytest.mark.parametrize(
    "changes",
    [{"source": None}, {"extra": 1}, {"schema_version": "v2"}, {"object__size": -1}, {"object__size": "1"}, {"object__checksum": "abc"},
     {"idempotency_key": "two words"}, {"idempotency_key": ""}, {"source__accelerator": {"kind": "GPU"}}, {"extracted_at": 5},
     {"extracted": {"attributes": {"A": 1}}}, {"extracted": {"attributes": {"a": None}}}, {"extracted": {"attributes": {"a": []}}},
     {"extracted": {"images": [{"width": 0, "height": 1}]}}, {"extracted": {"metrics": [{"name": "", "value": 1}]}}, {"source__notebook": "n" * 257}],
)  # fmt: skip
def test_what_the_schema_refuses_the_model_refuses(changes: dict[str, Any]) -> None:
    document = event(**changes)
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(EventRefused):
        take(document, now=NOW)
