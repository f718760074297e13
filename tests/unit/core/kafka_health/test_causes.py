# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.kafka_health.answers import code_of
from airflow_dataops.core.kafka_health.causes import (
    PATIENCE,
    REFUSED,
    SOON,
    Told,
    cause_of,
    patience_with,
    plain,
    refused,
)
from airflow_dataops.core.kafka_health.codes import CODES, Code
from airflow_dataops.core.kafka_health.snapshot import ReadError

SILENT = Told("_TRANSPORT", "Failed to get metadata")
DOWN = Told("_TRANSPORT", "a:1: Connect failed")


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        ([], "_TRANSPORT"),
        ([DOWN, Told("_AUTHENTICATION", "no")], "_AUTHENTICATION"),
        ([Told("_RESOLVE", "no"), Told("_SSL", "no")], "_SSL"),
        ([DOWN, Told("_RESOLVE", "no")], "_RESOLVE"),
    ],
)
def test_the_cause_is_what_was_told_beside_a_silent_failure(heard: list[Told], code: str) -> None:
    assert cause_of(SILENT, heard).code == code


def test_an_answer_of_a_broker_is_its_own_cause() -> None:
    denied = Told("GROUP_AUTHORIZATION_FAILED")
    assert cause_of(denied, [Told("_SSL", "of another broker")]) == denied


def test_the_address_that_does_not_answer_is_told() -> None:
    assert cause_of(SILENT, [DOWN, Told("_ALL_BROKERS_DOWN", "1/1")]) == Told(
        "_TRANSPORT", "Failed to get metadata; a:1: Connect failed"
    )


def test_who_is_refused_is_not_asked_again() -> None:
    assert not refused([DOWN, Told("_RESOLVE")])
    assert refused([DOWN, Told("_AUTHENTICATION")])
    assert {code_of(ReadError(code=code)) for code in REFUSED} == {Code.UNAUTHENTICATED}
    assert not CODES[Code.UNAUTHENTICATED].retryable


def test_what_passes_soon_is_worth_another_try() -> None:
    assert {code_of(ReadError(code=code)) for code in SOON} == {Code.NOT_READY}
    assert CODES[Code.NOT_READY].retryable


def test_after_a_refusal_the_others_get_a_moment_and_after_a_silence_some_seconds() -> None:
    assert patience_with([DOWN]) is None
    assert patience_with([DOWN, Told("_ALL_BROKERS_DOWN")]) == PATIENCE
    assert patience_with([Told("_ALL_BROKERS_DOWN"), Told("_SSL")]) == 0.5


def test_a_certificate_that_the_server_refuses_is_no_lost_connection() -> None:
    said = "ssl://a:1/bootstrap: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116"
    assert plain(Told("_TRANSPORT", said)) == Told("_SSL", said)
    for other in (Told("_TRANSPORT", "SSL alert number 80"), DOWN, Told("_RESOLVE", "SSL alert number 42")):
        assert plain(other) == other
