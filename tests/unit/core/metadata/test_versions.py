# SPDX-License-Identifier: Apache-2.0
"""A v2 comes: old producers go on, new readers read both, and an old reader says what it cannot read."""

from __future__ import annotations

from typing import Literal

import pytest

from airflow_dataops.core.metadata.event import EventV1
from airflow_dataops.core.metadata.faults import EventRefused, Reason
from airflow_dataops.core.metadata.fields import Name
from airflow_dataops.core.metadata.upsert import merge, stored_of
from airflow_dataops.core.metadata.versions import VERSIONS, Version, Versions
from airflow_dataops.core.metadata.wire import decode, record_of, take
from tests.unit.core.metadata.events import NOW, bytes_of, event
from tests.unit.core.metadata.second_version import BOTH, V1, EventV2, lift, new_event


def test_a_new_reader_reads_what_an_old_producer_sends() -> None:
    old = take(event(), now=NOW)
    key, value, _ = record_of(old)
    got = decode(value, key=key, now=NOW, versions=BOTH)
    assert isinstance(got.event, EventV2)
    assert (got.event.team, got.event.subject.uri) == ("unknown", "s3://raw/line-1/0001.png")
    assert got.event.idempotency_key == old.event.idempotency_key
    assert got.event.extracted_at == old.event.extracted_at


def test_the_bytes_of_an_old_event_do_not_change_when_its_reader_learns_a_version() -> None:
    assert take(event(), now=NOW, versions=BOTH).wire == take(event(), now=NOW).wire


def test_a_new_reader_reads_a_new_event_and_sends_it_on_as_such() -> None:
    got = take(new_event(), now=NOW, versions=BOTH)
    assert isinstance(got.event, EventV2)
    assert got.event is got.written
    assert record_of(got)[2][1] == ("schema-version", b"v2")


def test_an_old_reader_says_what_it_cannot_read_and_what_to_do() -> None:
    with pytest.raises(EventRefused) as refused:
        decode(bytes_of(new_event()), key=None, now=NOW)
    error = refused.value
    assert error.reason is Reason.NEWER_VERSION
    [fault] = error.faults
    assert (fault.path, fault.received, fault.valid) == (
        "schema_version",
        '"v2"',
        "one of v1; this reader knows no newer one",
    )
    assert error.hint is not None
    assert "upgrade" in error.hint


def test_an_old_event_is_judged_by_the_rules_of_its_own_version() -> None:
    for document, path in ((event(team="x"), "team"), (new_event(team=None), "team"), (new_event(object={}), "object")):
        with pytest.raises(EventRefused) as refused:
            take(document, now=NOW, versions=BOTH)
        assert [fault.path for fault in refused.value.faults] == [path]


def test_the_same_event_read_by_a_later_version_replaces_the_earlier_reading_and_not_the_reverse() -> None:
    before = stored_of(take(event(), now=NOW), {"v": 1}, revision=7)
    after = stored_of(take(event(), now=NOW, versions=BOTH), {"v": 2}, revision=0)
    assert merge(before, after) == merge(after, before) == after


def test_upcasters_run_one_after_the_other() -> None:
    class EventV3(EventV2):
        schema_version: Literal["v3"] = "v3"  # type: ignore[assignment]  # made up
        steps: list[Name]

    third = Version("v3", EventV3, lambda document: {**document, "steps": [document["schema_version"]]})
    got = take(event(), now=NOW, versions=Versions(V1, Version("v2", EventV2, lift), third)).event
    assert isinstance(got, EventV3)
    assert (got.team, got.steps) == ("unknown", ["v2"])


def test_an_upcaster_may_not_change_what_an_event_is() -> None:
    wrong = Version("v2", EventV2, lambda document: {**lift(document), "idempotency_key": "other"})
    with pytest.raises(ValueError, match="changes an event's key or time"):
        take(event(), now=NOW, versions=Versions(V1, wrong))


@pytest.mark.parametrize(
    "versions",
    [(), (Version("v2", EventV2, lift), V1), (V1, Version("v3", EventV2, lift)), (V1, Version("v2", EventV2)), (Version("1", EventV1),),
     (Version("v1", EventV1, lift),)],
)  # fmt: skip
def test_versions_follow_one_another(versions: tuple[Version, ...]) -> None:
    with pytest.raises(ValueError, match="version"):
        Versions(*versions)


def test_the_known_versions() -> None:
    assert VERSIONS.names == ["v1"]
    assert BOTH.names == ["v1", "v2"]
