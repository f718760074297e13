# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from airflow_dataops.core.errors import from_dict
from airflow_dataops.core.metadata import limits
from airflow_dataops.core.metadata.faults import EventRefused, Reason
from airflow_dataops.core.metadata.fields import moment_text
from airflow_dataops.core.metadata.reading import read_json
from airflow_dataops.core.metadata.wire import decode, record_of, take
from tests.unit.core.metadata.events import NOW, bytes_of, documents, event


def refused(value: bytes | None, key: bytes | None = None) -> EventRefused:
    with pytest.raises(EventRefused) as found:
        decode(value, key=key, now=NOW)
    assert found.value.faults
    return found.value


@given(documents())
def test_what_is_sent_is_what_is_read(document: dict[str, Any]) -> None:
    sent = take(document, now=NOW)
    key, value, headers = record_of(sent)
    got = decode(value, key=key, now=NOW)
    assert got == sent
    assert record_of(got) == (key, value, headers)


def test_a_producer_that_goes_past_the_api_may_write_json_as_it_likes() -> None:
    sent = take(event(), now=NOW)
    loose = json.dumps(dict(reversed(event().items())), indent=4).encode()
    assert decode(loose, key=None, now=NOW) == sent
    assert loose != sent.wire


@pytest.mark.parametrize(
    ("value", "reason", "told"),
    [
        (None, Reason.EMPTY, "nothing"),
        (b"", Reason.EMPTY, "nothing"),
        (b"\xff\xfe{", Reason.NOT_UTF8, "byte 0xff at offset 0"),
        (b"{", Reason.NOT_JSON, "line 1, column 2"),
        (b"\xef\xbb\xbf{}", Reason.NOT_JSON, "BOM"),
        (b'{"a": 1} x', Reason.NOT_JSON, "Extra data"),
        (b'{"a": NaN}', Reason.NOT_JSON, "NaN"),
        (b'{"a": -Infinity}', Reason.NOT_JSON, "-Infinity"),
        (b'{"a": ' + b"9" * 5000 + b"}", Reason.NOT_JSON, "digits"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', Reason.DUPLICATE_NAME, '"c" twice'),
        (b"[" * 100_000, Reason.TOO_DEEP, "deeper"),
        (b"[" * 13 + b"]" * 13, Reason.TOO_DEEP, "deeper"),
        (b"[" * 12 + b"]" * 12, Reason.INVALID, "["),
        (b"3", Reason.INVALID, "3"),
        (b"null", Reason.INVALID, "null"),
        (b'"' + b"x" * (1 << 20) + b'"', Reason.TOO_LARGE, "bytes"),
        (b"{}", Reason.UNKNOWN_VERSION, "nothing"),
        (bytes_of(event(schema_version=1)), Reason.UNKNOWN_VERSION, "1"),
        (bytes_of(event(schema_version="V1")), Reason.UNKNOWN_VERSION, '"V1"'),
        (bytes_of(event(schema_version="v01")), Reason.UNKNOWN_VERSION, '"v01"'),
        (bytes_of(event(schema_version="v2")), Reason.NEWER_VERSION, '"v2"'),
        (bytes_of(event(source=None)), Reason.INVALID, "source: received nothing"),
    ],
)
def test_bytes_that_are_no_event_are_refused_with_the_reason(value: bytes | None, reason: Reason, told: str) -> None:
    error = refused(value)
    assert error.reason is reason
    assert told in str(error)


def test_a_number_that_overflows_is_no_finite_one() -> None:
    text = bytes_of(event()).replace(b"0.25", b"1e999")
    assert refused(text).faults[0].path == "extracted.metrics[0].value"


def test_an_event_that_is_too_large_in_its_one_form_is_refused() -> None:
    image = {"width": 1, "height": 1, "embedding": [0.123456789012345] * limits.EMBEDDING}
    error = refused(bytes_of(event(extracted={"images": [image] * 8})))
    assert error.reason is Reason.TOO_LARGE
    decode(bytes_of(event(extracted={"images": [image] * 7})), key=None, now=NOW)


def test_a_time_far_in_the_future_is_refused_and_the_limit_is_told() -> None:
    late = NOW + limits.AHEAD
    take(event(extracted_at=moment_text(late)), now=NOW)
    with pytest.raises(EventRefused, match=r"valid is a time up to 2026-06-01T00:05:00\.000Z") as found:
        take(event(extracted_at=moment_text(late + timedelta(milliseconds=1))), now=NOW)
    assert found.value.reason is Reason.FROM_THE_FUTURE


def test_the_record_has_the_key_of_its_event_or_none() -> None:
    value = bytes_of(event(idempotency_key="mine"))
    assert decode(value, key=b"mine", now=NOW) == decode(value, key=None, now=NOW)
    for key in (b"other", b"", b"\xff"):
        assert refused(value, key).reason is Reason.KEY_DIFFERS


def test_a_version_may_be_assumed_where_the_api_says_it() -> None:
    bare = event(schema_version=None)
    assert take(bare, now=NOW, assumed="v1") == take(event(), now=NOW)


def test_a_refusal_survives_the_way_to_another_process() -> None:
    error = refused(b"{")
    again = from_dict(json.loads(json.dumps(error.to_dict())))
    assert isinstance(again, EventRefused)
    assert (again.reason, again.faults) == (error.reason, error.faults)


def test_no_more_than_a_hundred_faults_are_told() -> None:
    error = refused(bytes_of(event(extracted={"metrics": [{"name": "m", "value": None}] * 500})))
    assert len(error.faults) == 100
    assert error.details["count"] == 500
    assert "and 400 more" in str(error)


def test_a_document_deeper_than_any_event_is_refused_before_it_is_looked_at() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(EventRefused) as found:
        take({"a": deep}, now=NOW)
    assert found.value.reason is Reason.TOO_DEEP
    assert read_json(b'{"a": [1, 2.5, "x", null, true]}') == {"a": [1, 2.5, "x", None, True]}
