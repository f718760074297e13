# SPDX-License-Identifier: Apache-2.0
"""The upsert on a real server that speaks Mongo's protocol: what it keeps is what the core keeps, and a replay changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dataops.core.metadata import mongo
from airflow_dataops.core.metadata.upsert import Stored, fold
from tests.services.mongo_server import MongoServer
from tests.unit.core.metadata.events import stored

pytestmark = pytest.mark.integration
pymongo = pytest.importorskip("pymongo", reason="needs pymongo: pip install 'airflow-dataops[mongo]'")


@pytest.fixture(scope="module")
def database(mongo: MongoServer) -> Iterator[Any]:
    """A database of its own."""
    with mongo.client() as client:
        yield client["upsert"]


def operations(form: str, event: Stored) -> list[Any]:
    """What the driver is given."""
    writes = [mongo.pipeline_write(event)] if form == "pipeline" else list(mongo.plain_writes(event))
    kinds = {"update": pymongo.UpdateOne, "replace": pymongo.ReplaceOne}
    return [kinds[one.kind](one.filter, one.change, upsert=one.upsert) for one in writes]


def deliveries(seed: int) -> list[Stored]:
    """Events of few keys and times, shuffled, a third of them twice; texts in them look like Mongo's own."""
    draw = random.Random(seed)  # no secret
    pool = [
        stored(
            f"k{draw.randrange(40)}",
            draw.randrange(4),
            float(draw.randrange(5)),
            draw.randrange(2),
            draw.choice(["$order", "$$ROOT", ""]),
        )
        for _ in range(300)
    ]
    again = [*pool, *draw.sample(pool, 100)]
    draw.shuffle(again)
    return again


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("form", ["pipeline", "plain"])
def test_a_server_keeps_what_the_core_keeps(database: Any, form: str, seed: int) -> None:
    collection, events = database[f"{form}{seed}"], deliveries(seed)
    for begin in range(0, len(events), 100):
        collection.bulk_write(
            [one for event in events[begin : begin + 100] for one in operations(form, event)], ordered=form == "plain"
        )
    kept = {document["_id"]: mongo.stored_of(document) for document in collection.find()}
    assert kept == fold(events)


@pytest.mark.parametrize("form", ["pipeline", "plain"])
def test_a_replay_changes_nothing_and_is_no_error(database: Any, form: str) -> None:
    collection, events = database[f"replay {form}"], deliveries(3)
    batch = [one for event in events for one in operations(form, event)]
    collection.bulk_write(batch, ordered=form == "plain")
    before = list(collection.find_raw_batches(sort={"_id": 1}))
    random.shuffle(batch)
    done = collection.bulk_write(batch, ordered=form == "plain")
    assert (done.modified_count, done.upserted_count, done.inserted_count) == (0, 0, 0)
    assert list(collection.find_raw_batches(sort={"_id": 1})) == before


def test_keys_come_in_the_order_that_a_comparison_needs(database: Any) -> None:
    collection, keys = database["sorted"], ["a", "B", "b.1", "b-1", "b~", "0", "Z/9", "a:1"]
    for key in keys:
        collection.bulk_write(operations("pipeline", stored(key)))
    assert [document["_id"] for document in collection.find({}, {"order": 1}).sort("_id", 1)] == sorted(keys)
