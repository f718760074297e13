# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dataops.core.kafka_health.answers import code_of
from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState, ReadError, read_snapshot
from tests.unit.core.kafka_health.samples import GROUP, START, snapshot_of, view


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Stable", "STABLE"),
        ("STABLE", "STABLE"),
        ("PreparingRebalance", "REBALANCING"),
        ("COMPLETING_REBALANCING", "REBALANCING"),
        ("Assigning", "REBALANCING"),
        ("RECONCILING", "REBALANCING"),
        ("Empty", "EMPTY"),
        ("Dead", "DEAD"),
        ("Unknown", "UNKNOWN"),
        ("NotYetInvented", "UNKNOWN"),
        (None, "UNKNOWN"),
        (7, "UNKNOWN"),
    ],
)
def test_a_state_is_read_from_any_clients_word(word: Any, state: str) -> None:
    assert GroupSnapshot(group=GROUP, taken_at_ms=0, state=word).state.value == state


def test_a_state_without_a_word_is_a_rebalance_where_there_are_members() -> None:
    assert snapshot_of(view(), state="Unknown").at is GroupState.REBALANCING
    assert snapshot_of(view(), state="Unknown", members=()).at is GroupState.UNKNOWN
    assert snapshot_of(view(), state="Unknown", members=None).at is GroupState.UNKNOWN
    denied = snapshot_of(view(), state="Stable", state_error={"code": "GROUP_AUTHORIZATION_FAILED"})
    assert denied.at is GroupState.UNKNOWN
    assert not denied.gone


def test_an_answer_is_read_back() -> None:
    snapshot = snapshot_of(view(3, 5, younger={300_000: 4}, next_offset=3), view(-1, 9, 1), state="PreparingRebalance")
    assert read_snapshot(GROUP, 0, json.loads(snapshot.model_dump_json())) == snapshot


@pytest.mark.parametrize(
    "document",
    [
        None,
        "",
        [],
        17,
        {},
        {"group": GROUP},
        {"group": "other", "taken_at_ms": 1},
        {"group": GROUP, "taken_at_ms": "soon"},
        {"group": GROUP, "taken_at_ms": 1, "schema_version": 2},
        {"group": GROUP, "taken_at_ms": 1, "partitions": [{"topic": "a"}]},
        {"group": GROUP, "taken_at_ms": 1, "partitions": [{"topic": "a", "partition": 0}] * 2},
        {"group": GROUP, "taken_at_ms": 1, "topics": [{"name": "a"}, {"name": "a"}]},
        {"group": GROUP, "taken_at_ms": 1, "colour": "red"},
    ],
)
def test_what_is_no_answer_is_garbage_with_the_reason(document: Any) -> None:
    found = read_snapshot(GROUP, START, document)
    assert found.error is not None
    assert (found.group, found.taken_at_ms, found.error.code) == (GROUP, START, Code.PROBE_GARBAGE)
    assert found.error.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("TOPIC_AUTHORIZATION_FAILED", Code.DENIED),
        ("_AUTHENTICATION", Code.UNAUTHENTICATED),
        ("_SSL", Code.UNAUTHENTICATED),
        ("COORDINATOR_LOAD_IN_PROGRESS", Code.NOT_READY),
        ("FENCED_LEADER_EPOCH", Code.NOT_READY),
        ("_TRANSPORT", Code.UNREACHABLE),
        ("PROBE_CRASHED", Code.PROBE_CRASHED),
        ("PROBE_TIMEOUT", Code.PROBE_TIMEOUT),
        ("PROBE_GARBAGE", Code.PROBE_GARBAGE),
        ("_NOENT", Code.OFFSETS_UNKNOWN),
        ("_UNKNOWN_PARTITION", Code.OFFSETS_UNKNOWN),
        ("NotYetInvented", Code.OFFSETS_UNKNOWN),
        ("STALLED", Code.OFFSETS_UNKNOWN),
    ],
)
def test_what_an_error_means(error: str, code: Code) -> None:
    assert code_of(ReadError(code=error)) is code
