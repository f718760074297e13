# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.kafka_health.probing import Ended, to_ask_again, why_unread


@pytest.mark.parametrize(
    ("ended", "code", "said"),
    [
        (Ended(code=-11), "PROBE_CRASHED", "the process was ended by SIGSEGV"),
        (Ended(code=-200), "PROBE_CRASHED", "the process was ended by signal 200"),
        (Ended(code=1, last_words="Traceback\n  it broke"), "PROBE_CRASHED", "it said: Traceback it broke"),
        (Ended(), "PROBE_CRASHED", "not started"),
        (Ended(code=-9, timed_out=True), "PROBE_TIMEOUT", "no answer within 30 s"),
        (Ended(code=-9, overflowed=True), "PROBE_GARBAGE", "longer than any can be"),
        (Ended(code=0), "PROBE_GARBAGE", "without an answer"),
    ],
)
def test_the_end_of_a_process_says_why_nothing_is_known(ended: Ended, code: str, said: str) -> None:
    found = why_unread(ended, 30)
    assert found.code == code
    assert said in found.message


def test_what_was_wrong_with_an_answer_is_told() -> None:
    assert why_unread(Ended(code=0), 30, "no list").message == "no list"


def test_those_without_an_answer_are_asked_again_unless_they_were_alone() -> None:
    assert to_ask_again({0: "a", 2: "b"}, 4) == [1, 3]
    assert to_ask_again({}, 1) == []
    assert to_ask_again({0: "a"}, 1) == []
