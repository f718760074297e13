# SPDX-License-Identifier: Apache-2.0
"""The published schemas are those of the models, and the documents hold to them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pydantic
import pytest

from airflow_dataops.core.refine.spec import ReportSpec
from airflow_dataops.core.refine.summary import summarise
from tests.house.tree import ROOT, script

tool = script("tools/schemas.py")
RUN = {
    "pipeline": "p",
    "key": "2013-01-01",
    "interval_start": "2013-01-01T00:00:00Z",
    "interval_end": "2013-01-02T00:00:00Z",
}
SPEC = {"task": "report", "lake": "/lake", "run": RUN, "title": "p", "steps": ["publish"]}


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((tool.FOLDER / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 14), reason="pydantic before 2.14 writes schemas another way"
)
def test_the_published_schemas_are_those_of_the_models() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in tool.FOLDER.glob("*.json")}
    assert there == tool.schemas(), "run tools/schemas.py"


@pytest.mark.parametrize("path", sorted(tool.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_schema_is_valid_and_forbids_unknown_keys(path: Any) -> None:
    schema = read(path.stem)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_a_result_holds_to_its_schema() -> None:
    step = {"job": "publish", "task": "publish", "run": RUN, "table": "/silver", "rows": {"written": 3}}
    result = summarise(ReportSpec.model_validate(SPEC), {"publish": step})
    jsonschema.validate(json.loads(result.model_dump_json()), read("RunResult"))


@pytest.mark.parametrize("change", [{"steps": "publish"}, {"histroy": 3}, {"history": -1}, {"run": {}}])
def test_a_wrong_spec_does_not_hold(change: dict[str, Any]) -> None:
    jsonschema.validate(SPEC, read("ReportSpec"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**SPEC, **change}, read("ReportSpec"))


def test_the_reference_names_every_schema() -> None:
    text = (ROOT / "docs/reference/jobs.md").read_text(encoding="utf-8")
    assert [path.name for path in tool.FOLDER.glob("*.json") if f"schemas/{path.name}" not in text] == []
