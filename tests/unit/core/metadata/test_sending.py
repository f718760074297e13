# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.metadata.sending import Answer, Step, next_step, refused_in, wait_before

REFUSES_ONE = {"faults": [{"index": 1, "path": "object.size", "received": "-1", "valid": "greater"}]}


@pytest.mark.parametrize(
    ("status", "body", "events", "step"),
    [
        (202, None, 3, Step.DONE), (200, None, 3, Step.FAIL), (301, None, 1, Step.FAIL), (0, None, 1, Step.AGAIN),
        (429, None, 1, Step.AGAIN), (503, None, 1, Step.AGAIN), (502, None, 9, Step.AGAIN), (401, None, 1, Step.FAIL),
        (403, None, 1, Step.FAIL), (413, None, 2, Step.SPLIT), (413, None, 1, Step.FAIL), (422, REFUSES_ONE, 3, Step.DROP),
        (422, REFUSES_ONE, 1, Step.FAIL), (422, None, 3, Step.FAIL), (422, {"faults": [{"index": None}]}, 3, Step.FAIL),
    ],
)  # fmt: skip
def test_each_answer_has_its_step(status: int, body: Any, events: int, step: Step) -> None:
    assert next_step(Answer(status, body=body), events) is step


def test_what_is_refused_is_told_by_its_place() -> None:
    assert refused_in(REFUSES_ONE) == {1: "object.size: received -1; valid is greater"}
    assert refused_in({"faults": [{"index": True}, 3, {}]}) == refused_in([]) == {}


def test_a_wait_is_at_least_what_was_asked_for_and_grows_without() -> None:
    asked = Answer(429, retry_after=3)
    assert [wait_before(1, asked, draw) for draw in (0.0, 1.0)] == [3, 6]
    assert [wait_before(tries, Answer(0), 1.0) for tries in (1, 2, 3, 99)] == [0.5, 1, 2, 60]
    assert wait_before(1, Answer(503, retry_after=1e9), 0) == 60
    assert wait_before(1, Answer(503, retry_after=0), 0) > 0


def test_what_was_said_is_told() -> None:
    assert Answer(401, body={"code": "TOKEN", "message": "no"}).said == "status 401, TOKEN no"
    assert Answer(0).said == "no answer"
    assert Answer(500, body="x").said == "status 500"
