# SPDX-License-Identifier: Apache-2.0
"""The writes that a server gets, done by an evaluator that knows just their operators; tests/integration/metadata does them for real."""

from __future__ import annotations

import copy
import random as shuffling
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.metadata import mongo
from airflow_dataops.core.metadata.mongo import Write
from airflow_dataops.core.metadata.upsert import Stored, fold, stored_of
from tests.unit.core.metadata.events import read, stored

POOL = [
    stored(key, minute, value, revision) for key in "ab" for minute in (0, 1) for value in (0, 1) for revision in (0, 1)
]


class Collection:
    """Documents by id; counts what a write has changed."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.changed = 0

    def write(self, one: Write) -> None:
        key, order = one.filter["_id"], one.filter.get("order")
        there = self.documents.get(key)
        if there is not None and order is not None and not there["order"] < order["$lt"]:
            there = None
        if there is None and not one.upsert:
            return
        after = self._changed(one, there)
        self.changed += after != self.documents.get(key)
        self.documents[key] = copy.deepcopy(after)

    @staticmethod
    def _changed(one: Write, there: dict[str, Any] | None) -> dict[str, Any]:
        before = there if there is not None else {"_id": one.filter["_id"]}
        if isinstance(one.change, list):
            [stage] = one.change
            return dict(evaluate(stage["$replaceWith"], before))
        if one.kind == "replace":
            return dict(one.change)
        return before if there is not None else {**before, **one.change["$setOnInsert"]}


def evaluate(expression: Any, root: dict[str, Any]) -> Any:
    if expression == "$$ROOT":
        return root
    if isinstance(expression, str) and expression.startswith("$"):
        return root.get(expression[1:])
    [(name, given_)] = expression.items()
    if name == "$literal":
        return given_
    if name == "$ifNull":
        first = evaluate(given_[0], root)
        return evaluate(given_[1], root) if first is None else first
    if name == "$lt":
        return evaluate(given_[0], root) < evaluate(given_[1], root)
    assert name == "$cond"
    return evaluate(given_[1] if evaluate(given_[0], root) else given_[2], root)


def writes(form: str, event: Stored) -> list[Write]:
    return [mongo.pipeline_write(event)] if form == "pipeline" else list(mongo.plain_writes(event))


@pytest.mark.parametrize("form", ["pipeline", "plain"])
@given(events=st.lists(st.sampled_from(POOL), max_size=15), random=st.randoms())
def test_a_server_keeps_what_the_core_keeps_in_any_order(
    form: str, events: list[Stored], random: shuffling.Random
) -> None:
    collection = Collection()
    writers = [writes(form, event) for event in [*events, *events[:5]]]
    turns = [number for number, queue in enumerate(writers) for _ in queue]
    random.shuffle(turns)  # the writes of one event keep their order; those of others come between them
    for number in turns:
        collection.write(writers[number].pop(0))
    assert {key: mongo.stored_of(document) for key, document in collection.documents.items()} == fold(events)


@pytest.mark.parametrize("form", ["pipeline", "plain"])
def test_an_older_or_repeated_event_changes_nothing(form: str) -> None:
    collection = Collection()
    for event in (stored("a", 1), stored("a", 1), stored("a", 0), stored("a", 1)):
        for write in writes(form, event):
            collection.write(write)
    assert collection.changed == 1


@given(st.sampled_from(POOL))
def test_a_document_leads_back_to_what_it_was_made_of(event: Stored) -> None:
    document = mongo.document_of(event)
    assert mongo.stored_of(document) == event
    naive = {**document, "extracted_at": document["extracted_at"].replace(tzinfo=None)}  # as drivers read dates
    assert mongo.stored_of(naive) == event


def test_the_time_is_a_date_and_a_text_with_a_dollar_is_a_text() -> None:
    one = read(extracted={"attributes": {"cost": "$order"}})
    event = stored_of(one, {"extracted_at": "2026-01-31T12:00:00.000Z", "cost": "$order"}, 1)
    collection = Collection()
    collection.write(mongo.pipeline_write(event))
    [document] = collection.documents.values()
    assert document["cost"] == "$order"
    assert document["extracted_at"] == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_indexes_begin_with_what_documents_have() -> None:
    assert all(
        name.split(".")[0] in ("extracted_at", "object", "source") for fields in mongo.INDEXES for name in fields
    )


def test_the_insert_comes_before_the_replace() -> None:
    """Else another writer's older event comes between the two, and stays."""
    older, newer = stored("a", 0), stored("a", 1)
    insert, replace = mongo.plain_writes(newer)
    assert (insert.upsert, replace.upsert) == (True, False)
    collection = Collection()
    for write in (replace, mongo.plain_writes(older)[0], insert):
        collection.write(write)
    assert mongo.stored_of(collection.documents["a"]) == older  # what the other order would do
    for write in mongo.plain_writes(newer):
        collection.write(write)
    assert mongo.stored_of(collection.documents["a"]) == newer


def test_a_whole_number_that_bson_has_no_integer_for_is_a_double() -> None:
    one = stored("a", value=1e20)
    assert b"100000000000000000000" in one.body
    document = mongo.document_of(one)
    found = document["extracted"]["metrics"][0]["value"]
    assert (found, type(found)) == (1e20, float)
    assert mongo.stored_of(document) == one
