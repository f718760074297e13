# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata.faults import EventRefused, Reason
from airflow_dataops.core.metadata.transforms import Transforms, parse_transforms
from airflow_dataops.core.metadata.wire import take
from tests.unit.core.metadata.events import NOW, documents, read

EVENT: dict[str, Any] = json.loads(read().wire)


def made(*steps: dict[str, Any]) -> Transforms:
    named = [{"name": f"step {number}", **step} for number, step in enumerate(steps)]
    return Transforms(parse_transforms({"revision": 1, "steps": named}))


def attributes(*steps: dict[str, Any]) -> Any:
    return made(*steps).apply(EVENT)["extracted"]["attributes"]


def test_steps_are_done_in_their_order() -> None:
    steps = [
        {"rename": {"extracted.attributes.line": "extracted.attributes.lane"}},
        {"default": {"extracted.attributes.team": "vision", "extracted.attributes.lane": 9}},
        {
            "derive": {
                "extracted.attributes.kib": "round(object.size / 1024, 2)",
                "extracted.attributes.who": "upper(extracted.attributes.team)",
            }
        },
        {"drop": ["extracted.attributes.team"]},
    ]
    assert attributes(*steps) == {"lane": 1, "kib": 12.06, "who": "VISION"}


def test_an_event_is_left_as_it_was() -> None:
    before = copy.deepcopy(EVENT)
    made({"drop": ["extracted"]}, {"default": {"extracted.attributes.a": 1}}).apply(EVENT)
    assert before == EVENT


def test_drop_goes_through_lists_and_passes_over_what_is_not_there() -> None:
    done = made({"drop": ["extracted.images.labels.score", "extracted.images.nothing", "no.such.path"]}).apply(EVENT)
    assert done["extracted"]["images"] == [{"width": 640, "height": 480, "labels": [{"name": "scratch"}]}]


def test_a_derived_null_leaves_nothing_there() -> None:
    assert attributes({"derive": {"extracted.attributes.line": "extracted.attributes.nothing + 1"}}) == {}


def test_a_default_is_where_nothing_is() -> None:
    assert attributes({"default": {"extracted.attributes.line": 7, "extracted.attributes.other": 1.0}}) == {
        "line": 1,
        "other": 1,
    }


@given(documents())
def test_steps_give_the_same_for_the_same_event_and_none_change_nothing(document: dict[str, Any]) -> None:
    event = json.loads(take(document, now=NOW).wire)
    done = made(
        {"derive": {"extracted.attributes.n": "length(source.notebook)"}}, {"drop": ["extracted.images.embedding"]}
    )
    assert done.apply(event) == done.apply(copy.deepcopy(event))
    assert Transforms(parse_transforms({})).apply(event) == event


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"derive": {"extracted.attributes.a": "source.notebook + 1"}}, "arithmetic takes numbers, not a text"),
        ({"derive": {"source.notebook.a": "1"}}, "leads through"),
        ({"derive": {"extracted.images.a": "1"}}, "leads through"),
        ({"rename": {"extracted.attributes.line": "object.size"}}, "something at object.size already"),
        ({"rename": {"extracted.images.width": "extracted.images.w"}}, "leads into a list"),
        ({"default": {"extracted.images.w": 1}}, "leads into a list"),
        ({"derive": {"extracted.attributes.a": "object.size * 1e305"}}, "too large"),
    ],
)
def test_a_step_that_cannot_be_done_with_an_event_says_which_and_why(step: dict[str, Any], told: str) -> None:
    with pytest.raises(EventRefused) as refused:
        made({"drop": ["nothing"]}, step).apply(EVENT)
    [fault] = refused.value.faults
    assert refused.value.reason is Reason.TRANSFORM_FAILED
    assert fault.path == "transforms.step 1"
    assert told in fault.received


def test_steps_may_not_make_an_event_too_large() -> None:
    double = {"derive": {"extracted.attributes.a": "concat(extracted.attributes.a, extracted.attributes.a)"}}
    with pytest.raises(EventRefused, match="bytes after all steps"):
        made({"default": {"extracted.attributes.a": "x" * 4096}}, *[double] * 8).apply(EVENT)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"revision": 1, "steps": [{"name": "a"}]}, "does nothing"),
        ({"revision": 1, "steps": [{"name": "a", "drop": ["x"], "default": {"y": 1}}]}, "drop and default"),
        ({"revision": 1, "steps": [{"name": "a", "drop": ["x"]}, {"name": "a", "drop": ["y"]}]}, "twice: a"),
        ({"steps": [{"name": "a", "drop": ["x"]}]}, "revision"),
        ({"revision": 1, "steps": [{"name": "a", "drop": ["idempotency_key"]}]}, "identifies an event"),
        ({"revision": 1, "steps": [{"name": "a", "derive": {"extracted_at": "1"}}]}, "identifies an event"),
        ({"revision": 1, "steps": [{"name": "a", "default": {"order": 1}}]}, "identifies an event"),
        ({"revision": 1, "steps": [{"name": "a", "rename": {"a": "_id"}}]}, "small letters"),
        ({"revision": 1, "steps": [{"name": "a", "drop": ["$where"]}]}, "small letters"),
        ({"revision": 1, "steps": [{"name": "a", "drop": []}]}, "at least 1"),
        ({"revision": 1, "steps": [{"name": "a", "default": {"x": [1]}}]}, "true, false"),
        ({"revision": 1, "stepz": []}, "stepz"),
        ({"revision": -1}, "revision"),
    ],
)
def test_wrong_steps_are_refused_with_the_place(document: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_transforms(document)
    assert refused.value.code == "TRANSFORMS_INVALID"
    assert told in str(refused.value)


def test_an_expression_that_cannot_be_read_names_its_step_and_path() -> None:
    with pytest.raises(SpecError, match=r"step 'size', object\.mib: unknown function 'sice'"):
        parse_transforms({"revision": 1, "steps": [{"name": "size", "derive": {"object.mib": "sice(1)"}}]})
