# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_dataops.core.metadata.batch import BATCH_BYTES, BATCH_EVENTS, BatchRefused, read_batch
from airflow_dataops.core.metadata.wire import record_of, take
from tests.unit.core.metadata.events import NOW, bytes_of, event
from tests.unit.core.metadata.second_version import BOTH, new_event


def test_records_are_those_of_single_events() -> None:
    batch = read_batch(bytes_of([event(), event(idempotency_key="k")]), now=NOW)
    key, value, headers = record_of(take(event(idempotency_key="k"), now=NOW))
    record = batch.records("t")[1]
    assert (record.topic, record.key, record.value, list(record.headers)) == ("t", key, value, headers)
    assert batch.keys[1] == "k"


def test_an_old_producer_posts_on_when_a_second_version_comes() -> None:
    old = event(schema_version=None)
    before = read_batch(bytes_of(old), now=NOW).records("t")
    assert read_batch(bytes_of(old), now=NOW, versions=BOTH).records("t") == before
    assert read_batch(bytes_of(old), now=NOW, version="v1", versions=BOTH).records("t") == before
    assert read_batch(bytes_of(event()), now=NOW, versions=BOTH).reads[0].event.schema_version == "v2"


def test_a_path_takes_its_own_version_only_and_says_where_the_other_goes() -> None:
    new = new_event()
    assert read_batch(bytes_of(new), now=NOW, version="v2", versions=BOTH).reads[0].written.schema_version == "v2"
    with pytest.raises(BatchRefused, match="as the path says") as refused:
        read_batch(bytes_of([event(), new]), now=NOW, version="v1", versions=BOTH)
    assert [(one.index, one.reason) for one in refused.value.refusals] == [(1, "UNKNOWN_VERSION")]


def test_bounds() -> None:
    with pytest.raises(BatchRefused) as many:
        read_batch(json.dumps([1] * (BATCH_EVENTS + 1)).encode(), now=NOW)
    with pytest.raises(BatchRefused) as large:
        read_batch(b" " * (BATCH_BYTES + 1), now=NOW)
    with pytest.raises(BatchRefused) as mixed:
        read_batch(bytes_of([event(extracted__logs=[{"level": "info", "message": "x" * 4000}] * 200), 3]), now=NOW)
    assert [one.value.too_large for one in (many, large, mixed)] == [True, True, False]


def test_no_more_than_a_hundred_faults_are_told() -> None:
    with pytest.raises(BatchRefused) as refused:
        read_batch(json.dumps([1] * BATCH_EVENTS).encode(), now=NOW)
    assert len(refused.value.details["faults"]) == 100
    assert refused.value.details["refused"] == BATCH_EVENTS
