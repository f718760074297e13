# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.metadata import dead_letter as dead
from airflow_dataops.core.metadata.dead_letter import DeadLetter, Outgoing, Record
from airflow_dataops.core.metadata.faults import EventRefused, FieldFault, Reason, refused
from airflow_dataops.core.metadata.wire import decode
from tests.unit.core.metadata.events import NOW

FAILED = 1_780_000_000_000
long = st.integers(0, 2**63 - 1)
names = st.text(max_size=8) | st.sampled_from([dead.HEADER, dead.ORIGINAL, dead.ORIGINAL + dead.HEADER, "dataops"])
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=8)), max_size=4).map(tuple)
records = st.builds(
    Record,
    topic=st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
    partition=st.integers(0, 2**31 - 1),
    offset=long,
    timestamp=st.integers(-(2**63), 2**63 - 1),
    key=st.none() | st.binary(max_size=8),
    value=st.none() | st.binary(max_size=30),
    headers=headers,
)
faults = st.lists(
    st.builds(FieldFault, path=st.text(max_size=120), received=st.text(max_size=300), valid=st.text(max_size=300)),
    min_size=1,
    max_size=15,
)
errors = st.builds(refused, st.sampled_from(Reason), faults)


def arrived(sent: Outgoing, offset: int = 5) -> Record:
    """What Kafka gives of a record that was produced."""
    return Record(sent.topic, 3, offset, FAILED, sent.key, sent.value, sent.headers)


def shortened(letter: DeadLetter) -> bool:
    return all(len(text) <= 100 for fault in letter.faults for text in (fault.path, fault.received, fault.valid))


@given(records, errors)
def test_a_dead_letter_leads_back_to_the_record_byte_for_byte(record: Record, error: EventRefused) -> None:
    letter = dead.bury(record, error, now=FAILED)
    found = dead.from_wire(arrived(dead.to_wire(letter)))
    assert found == letter
    assert found.record == record
    assert found.reason is error.reason
    assert shortened(found)


@given(records, errors, st.integers(1, 4))
def test_a_record_that_is_sent_back_is_the_original_and_its_tries_are_counted(
    record: Record, error: EventRefused, tries: int
) -> None:
    here = record
    for number in range(1, tries + 1):
        letter = dead.bury(here, error, now=FAILED + number)
        back = dead.sent_back(dead.from_wire(arrived(dead.to_wire(letter))))
        assert (back.topic, back.key, back.value, back.headers[:-1]) == (
            record.topic,
            record.key,
            record.value,
            record.headers,
        )
        here = arrived(back, offset=100 + number)
    origin = letter.origin
    assert (origin.attempts, origin.first_failed, letter.failed) == (tries, FAILED + 1, FAILED + tries)
    assert (origin.topic, origin.partition, origin.offset) == (record.topic, record.partition, record.offset)


@given(records, errors)
def test_a_dead_letter_that_dies_is_one_level_deeper(record: Record, error: EventRefused) -> None:
    first = arrived(dead.to_wire(dead.bury(record, error, now=FAILED)))
    second = dead.from_wire(arrived(dead.to_wire(dead.bury(first, error, now=FAILED + 1))))
    assert second.record == first
    assert dead.from_wire(second.record).record == record


@pytest.mark.parametrize("char", ['"', "\\", "\x01", "x", "é", "\U0001f600", "\ud800"])
def test_the_header_of_a_failure_has_bounds(char: str) -> None:
    many = [FieldFault(char * 400, char * 400, char * 400)] * 30
    letter = dead.bury(Record("t" * 249, 0, 0, 0, None, None), refused(Reason.INVALID, many), now=FAILED)
    [(_, told)] = dead.to_wire(letter).headers
    assert told is not None
    assert len(told) <= dead.HEADER_BYTES


def test_what_the_worker_refuses_can_be_buried() -> None:
    record = Record(
        "gpu-metadata", 1, 42, FAILED, b"k", b'{"schema_version": "v1", "objct": "\\ud800"}', (("h", b"1"),)
    )
    with pytest.raises(EventRefused) as error:
        decode(record.value, key=record.key, now=NOW)
    found = dead.from_wire(arrived(dead.to_wire(dead.bury(record, error.value, now=FAILED))))
    assert (found.record, found.reason) == (record, Reason.INVALID)
    assert {fault.path for fault in found.faults} >= {"source", "object"}


def test_it_may_go_back_to_another_topic() -> None:
    letter = dead.bury(Record("a", 0, 0, 0, b"k", b"v"), refused(Reason.EMPTY, [FieldFault("", "", "")]), now=FAILED)
    assert dead.to_wire(letter, "letters").topic == "letters"
    assert dead.sent_back(letter).topic == "a"
    assert dead.sent_back(letter, "b").topic == "b"


def test_a_replay_header_of_somebody_else_is_theirs() -> None:
    for value in (None, b"", b"{", b"[]", b'{"topic": 1}', b'{"attempts": true}'):
        record = Record("a", 0, 7, 0, b"k", b"v", ((dead.REPLAY, value),))
        letter = dead.bury(record, refused(Reason.EMPTY, [FieldFault("", "", "")]), now=FAILED)
        assert letter.record == record
        assert (letter.origin.attempts, letter.origin.offset) == (1, 7)


GOOD = dict(
    json.loads(
        dead.to_wire(
            dead.bury(Record("a", 0, 7, 0, b"k", b"v"), refused(Reason.EMPTY, [FieldFault("", "x", "y")]), now=1)
        ).headers[0][1]
        or b""
    )
)


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"version": None}, {"reason": "OTHER"}, {"at": ["a", 1, 2]}, {"at": [1, 1, 2, 3]}, {"at": ["a", "1", 2, 3]}, {"at": None}, {"origin": {}},
     {"origin": {**GOOD["origin"], "attempts": "1"}}, {"failed": "x"}, {"faults": [{"path": ""}]}, {"faults": 3}],
)  # fmt: skip
def test_a_record_that_is_no_dead_letter_of_ours_is_told(change: dict[str, object]) -> None:
    good = Record("letters", 0, 9, 0, b"k", b"v", ((dead.HEADER, json.dumps(GOOD).encode()),))
    assert dead.from_wire(good).record.offset == 7
    for broken in (json.dumps({**GOOD, **change}).encode(), b"{", None):
        with pytest.raises(InputError, match="record 9 of letters/0 is no dead letter") as told:
            dead.from_wire(replace(good, headers=((dead.HEADER, broken),)))
        assert told.value.code == "NO_DEAD_LETTER"
    with pytest.raises(InputError):
        dead.from_wire(replace(good, headers=()))


@given(records, errors)
def test_a_letter_that_is_cut_still_tells_why_and_where(record: Record, error: EventRefused) -> None:
    whole = dead.to_wire(dead.bury(record, error, now=FAILED))
    short = arrived(dead.cut(whole))
    found = dead.from_wire(short)
    assert (found.reason, found.record.offset, found.origin) == (
        error.reason,
        record.offset,
        dead.from_wire(arrived(whole)).origin,
    )
    assert (short.value, found.record.headers) == (None, ())
    assert dead.is_cut(short)
    assert not dead.is_cut(arrived(whole))
    told = json.loads(short.headers[0][1] or b"")
    assert told["value_bytes"] == (None if record.value is None else len(record.value))


def test_a_long_key_is_cut_too() -> None:
    record = Record("t", 0, 0, 0, b"k" * 2000, b"v")
    whole = dead.to_wire(dead.bury(record, refused(Reason.INVALID, [FieldFault("", "x", "y")]), now=FAILED))
    assert dead.cut(whole).key is None
    assert dead.cut(replace(whole, key=b"k")).key == b"k"


def origin_text(**more: object) -> bytes:
    told = {"topic": "t", "partition": 0, "offset": 1, "timestamp": 1, "first_failed": 1, "attempts": 1, **more}
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        origin_text().replace(b'"attempts": 1', b'"attempts": ' + b"9" * 4300),
        origin_text(attempts=0),
        origin_text(attempts=2**31),
        origin_text(offset=2**64),
        origin_text(topic="t" * 500_000),
        origin_text(topic="../t"),
        b"\xff",
        None,
    ],
    ids=["deep", "long number", "no attempt", "attempts", "offset", "long topic", "no topic", "no text", "nothing"],
)
def test_a_replay_header_of_somebody_else_is_a_header_as_any_other(header: bytes | None) -> None:
    record = Record("events", 3, 7, 1, b"k", b"v", ((dead.REPLAY, header),))
    error = refused(Reason.NOT_JSON, [FieldFault("", "a", "b")])
    letter = dead.bury(record, error, now=FAILED)
    assert (letter.origin.topic, letter.origin.attempts, letter.record) == ("events", 1, record)
    sent = dead.to_wire(letter)
    assert len(sent.headers[0][1] or b"") <= dead.HEADER_BYTES
    assert dead.from_wire(arrived(sent)) == letter
    assert len(dead.cut(sent).headers) == 2


def test_a_letter_whose_header_is_nested_too_deeply_is_told() -> None:
    with pytest.raises(InputError, match="not ours"):
        dead.from_wire(arrived(Outgoing("dead", None, b"v", ((dead.HEADER, b"[" * 100_000),))))
