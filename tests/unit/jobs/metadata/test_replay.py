# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_dataops.core.errors import InputError, TransientError
from airflow_dataops.core.metadata.dead_letter import REPLAY, Outgoing, Record, bury, cut, to_wire
from airflow_dataops.core.metadata.drain import Offsets
from airflow_dataops.core.metadata.faults import Reason, one
from airflow_dataops.jobs.metadata.replay import Choice, Replayed, replay
from tests.unit.jobs.metadata.memory import TOPIC, Broker, MemoryLog, MemoryPublisher, away


def letter(offset: int, reason: Reason = Reason.NOT_JSON, failed: int = 100) -> Outgoing:
    record = Record("events", 3, offset, 50, b"k", f"value-{offset}".encode(), (("h", b"1"),))
    return to_wire(bury(record, one(reason, "", "x", "y"), now=failed), TOPIC)


def arrived(offset: int, out: Outgoing) -> Record:
    return Record(TOPIC, 0, offset, 100, out.key, out.value, out.headers)


def broker(*letters: Outgoing) -> Broker:
    return Broker(
        {(TOPIC, 0): [arrived(offset, out) for offset, out in enumerate(letters)]}, {(TOPIC, 0): len(letters)}
    )


def test_letters_go_back_as_they_were_and_a_second_call_sends_nothing() -> None:
    here, sent = broker(*(letter(n) for n in range(3))), MemoryPublisher()
    done = replay(MemoryLog(here), sent, Choice())
    assert dict(done.sent) == {"NOT_JSON": 3}
    assert [(out.topic, out.key, out.value, out.headers[0]) for out in sent.sent] == [
        ("events", b"k", f"value-{n}".encode(), ("h", b"1")) for n in range(3)
    ]
    assert sent.sent[0].headers[-1][0] == REPLAY
    assert replay(MemoryLog(here), sent, Choice()) == Replayed()
    assert len(sent.sent) == 3


def test_only_what_is_chosen_goes_and_where_it_is_told_to() -> None:
    here = broker(
        letter(0, Reason.INVALID),
        letter(1, failed=1),
        letter(2, failed=200),
        Outgoing(TOPIC, None, b"?", ()),
        cut(letter(4)),
    )
    sent = MemoryPublisher()
    done = replay(MemoryLog(here), sent, Choice(frozenset({Reason.NOT_JSON}), since=100, topic="other"))
    assert [(out.topic, out.value) for out in sent.sent] == [("other", b"value-2")]
    assert (dict(done.passed), done.foreign, done.cut) == ({"INVALID": 1, "NOT_JSON": 1}, 1, 1)


def test_a_limit_leaves_the_others_for_the_next_call() -> None:
    here, sent = broker(*(letter(n) for n in range(5))), MemoryPublisher()
    first = replay(MemoryLog(here), sent, Choice(limit=2))
    assert (first.sent.total(), first.left) == (2, 3)
    assert here.committed == {(TOPIC, 0): 2}
    assert replay(MemoryLog(here), sent, Choice()).sent.total() == 3
    assert [out.value for out in sent.sent] == [f"value-{n}".encode() for n in range(5)]


def test_a_dry_run_counts_and_changes_nothing() -> None:
    here, sent = broker(letter(0), letter(1)), MemoryPublisher()
    assert replay(MemoryLog(here), sent, Choice(dry=True)).sent.total() == 2
    assert (here.committed, sent.sent) == ({}, [])


def test_a_topic_that_was_made_anew_is_told_and_so_are_letters_that_have_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, sent = broker(*(letter(n) for n in range(5))), MemoryPublisher()
    here.committed[TOPIC, 0] = 9
    with pytest.raises(InputError) as replaced:
        replay(MemoryLog(here), sent, Choice())
    assert replaced.value.code == "TOPIC_REPLACED"
    here.committed[TOPIC, 0] = 1
    log = MemoryLog(here)
    monkeypatch.setattr(log, "offsets", lambda: {(TOPIC, 0): Offsets(1, 3, 5)})
    done = replay(log, sent, Choice())
    assert (done.lost, done.sent.total(), here.committed) == (2, 2, {(TOPIC, 0): 5})


def test_nothing_is_committed_that_was_not_acknowledged() -> None:
    here, sent = broker(letter(0)), MemoryPublisher()

    def fail(what: str) -> None:
        raise away(what)

    sent.fault = fail
    with pytest.raises(TransientError):
        replay(MemoryLog(here), sent, Choice())
    assert here.committed == {}


def test_what_the_topic_refuses_as_too_large_is_counted_and_stops_nothing() -> None:
    large = replace(letter(0), value=b"x" * 100)
    here, sent = broker(large, letter(1)), MemoryPublisher(most=50)
    done = replay(MemoryLog(here), sent, Choice())
    assert (done.sent.total(), done.too_large) == (1, 1)
    assert here.committed == {(TOPIC, 0): 2}
