# SPDX-License-Identifier: Apache-2.0
"""The store on a real server: durable, in bulk, and no document stops those beside it."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_dataops.clients.metadata.mongo_store import MongoSettings, MongoStore
from airflow_dataops.clients.metadata.ports import EventsRefused
from airflow_dataops.core.errors import SpecError, TransientError
from airflow_dataops.core.metadata.mongo import INDEXES
from airflow_dataops.core.metadata.upsert import Stored, fold
from airflow_dataops.core.metadata.wire import DATABASE
from tests.services.mongo_server import MongoServer, mongo_server
from tests.services.ports import free_port
from tests.unit.core.metadata.events import stored

pytestmark = pytest.mark.integration


@pytest.fixture
def store(mongo: MongoServer) -> Iterator[MongoStore]:
    found = MongoStore(MongoSettings(mongo.uri, collection=f"c{uuid.uuid4().hex[:8]}"))
    found.prepare()
    yield found
    found.close()


def test_only_what_is_newer_changes_anything(store: MongoStore) -> None:
    old, new = stored("a", 1), stored("a", 2)
    assert [store.upsert([one]) for one in (old, new, old, new)] == [1, 1, 0, 0]
    assert store.upsert([stored("b"), stored("c")]) == 2
    assert store.upsert([]) == 0
    assert store.get(["a", "b", "x"]) == {"a": new, "b": stored("b")}
    assert list(store.orders()) == [(one.key, one.order) for one in (new, stored("b"), stored("c"))]
    assert not store.remove("a", old.order)
    assert store.remove("a", new.order)
    assert store.get(["a"]) == {}


def test_documents_of_somebody_else_are_told_and_stop_nothing(store: MongoStore, mongo: MongoServer) -> None:
    import bson
    import pymongo

    a = stored("a")
    store.upsert([a])
    with pymongo.MongoClient(mongo.uri) as client:
        other = client[DATABASE][store._collection.name]
        other.update_one(
            {"_id": "a"}, {"$set": {"reviewed_at": datetime(2026, 1, 1, tzinfo=UTC), "by": bson.ObjectId()}}
        )
        other.insert_many([{"_id": 7}, {"_id": bson.ObjectId(), "order": 3}, {"_id": "b"}, {"_id": "\u00e9"}])
    found = list(store.orders())
    assert found[:3] == [("a", a.order), ("b", ""), ("\u00e9", "")]
    assert [key.partition(" ")[2].partition("(")[0] for key, _ in found[3:]] == ["7", "ObjectId"]
    assert [order for _, order in found[3:]] == ["", ""]
    assert [key for key, _ in found] == sorted({key for key, _ in found})
    kept = store.get(["a", "b"])
    assert (kept["a"].order, kept["b"].order) == (a.order, "")
    assert b"reviewed_at" in kept["a"].body
    assert store.upsert([stored("b", 2)]) == 1


def test_writers_at_once_end_in_the_newest(store: MongoStore) -> None:
    draw = random.Random(7)
    events = [stored(f"k{draw.randrange(30)}", draw.randrange(40)) for _ in range(600)]

    def write(mine: list[Stored]) -> None:
        for begin in range(0, len(mine), 30):
            store.upsert(list(fold(mine[begin : begin + 30]).values()))

    threads = [threading.Thread(target=write, args=(events[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = fold(events)
    assert store.get(list(wanted)) == wanted


def test_a_document_that_is_refused_does_not_stop_the_others(store: MongoStore, mongo: MongoServer) -> None:
    wide = Stored(
        "wide", stored("wide").order, stored("wide").body.replace(b'"note":""', b'"note":"' + b"x" * (17 << 20) + b'"')
    )
    with pytest.raises(EventsRefused) as refused:
        store.upsert([stored("a"), wide, stored("b")])
    assert (list(refused.value.refused), refused.value.changed) == (["wide"], 2)
    assert store.remove("b", stored("b").order)
    with mongo.client() as client:
        client[DATABASE][store._collection.name].create_index("object.checksum", unique=True)
    with pytest.raises(EventsRefused) as refused:  # somebody's index: both have one checksum
        store.upsert([stored("c"), stored("a", 5)])
    assert list(refused.value.refused) == ["c"]
    assert store.get(["a"]) == {"a": stored("a", 5)}


def test_what_it_needs_is_made_and_found(mongo: MongoServer) -> None:
    bare = MongoStore(MongoSettings(mongo.uri, collection="bare"))
    assert len(bare.findings()) == len(INDEXES)
    bare.prepare()
    bare.prepare()
    assert bare.findings() == []
    with mongo.client() as client:
        client[DATABASE].create_collection("sorted", collation={"locale": "en"})
    other = MongoStore(MongoSettings(mongo.uri, collection="sorted"))
    assert any("collation" in finding for finding in other.findings())
    bare.close()
    other.close()


def test_a_server_that_is_away_may_come_back_and_has_what_it_acknowledged(tmp_path: Path) -> None:
    with mongo_server(tmp_path / "mongo") as server:
        store = MongoStore(MongoSettings(server.uri, more={"serverSelectionTimeoutMS": 1000}))
        for begin in range(0, 200, 50):
            assert store.upsert([stored(f"k{number:03d}") for number in range(begin, begin + 50)]) == 50
        server.stop()
        with pytest.raises(TransientError):
            store.upsert([stored("late")])
        assert len(store.findings()) == 1
        server.start()
        assert [key for key, _ in store.orders()] == [f"k{number:03d}" for number in range(200)]
        store.close()


def test_an_address_that_is_none_is_told_without_showing_it() -> None:
    pytest.importorskip("pymongo", reason="needs pymongo: pip install 'airflow-dataops[mongo]'")
    with pytest.raises(SpecError, match="no address") as error:
        MongoStore(MongoSettings("mongodb://user:secret@:/:"))
    assert "secret" not in str(error.value)
    nobody = MongoStore(MongoSettings(f"mongodb://127.0.0.1:{free_port()}/", more={"serverSelectionTimeoutMS": 100}))
    with pytest.raises(TransientError) as away:
        nobody.get(["a"])
    assert away.value.code == "MONGO_UNREACHABLE"
