# SPDX-License-Identifier: Apache-2.0
"""The store in a file keeps the newest event of each key, whatever the order."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dataops.clients.metadata.embedded_store import EmbeddedStore
from airflow_dataops.core.metadata.upsert import Stored, fold

KEYS = st.sampled_from(["a", "b", "ä", "z", "\U0001f600", "￿"])
EVENTS = st.lists(
    st.builds(lambda key, order: Stored(key, f"{order:03d}", b'{"n":%d}' % order), KEYS, st.integers(0, 50))
)


@settings(max_examples=50)
@given(batches=st.lists(EVENTS, max_size=4))
def test_any_order_and_repetition_ends_in_the_newest_of_each_key(batches: list[list[Stored]]) -> None:
    store = EmbeddedStore(":memory:")
    model: dict[str, Stored] = {}
    for batch in batches:
        before = dict(model)
        model = fold([*model.values(), *batch])
        changed = store.upsert(list(fold(batch).values()))
        assert changed == sum(model[key] != before.get(key) for key in model)
    assert store.get(sorted(model)) == model
    assert list(store.orders()) == [(key, model[key].order) for key in sorted(model)]
    assert store.upsert(list(model.values())) == 0


def test_pages_of_many_keys_are_in_order(tmp_path: Path) -> None:
    store = EmbeddedStore(str(tmp_path / "store.sqlite"))
    events = [Stored(f"{number:05d}", "1", b"{}") for number in range(2500)]
    assert store.upsert(list(reversed(events))) == 2500
    assert list(store.orders()) == [(event.key, "1") for event in events]
    assert len(store.get([event.key for event in events])) == 2500


def test_only_the_event_that_was_seen_is_removed(tmp_path: Path) -> None:
    store = EmbeddedStore(str(tmp_path / "store.sqlite"))
    store.upsert([Stored("k", "2", b"{}")])
    assert not store.remove("k", "1")
    assert store.remove("k", "2")
    assert not store.remove("k", "2")


def test_the_documents_can_be_read_with_any_sqlite(tmp_path: Path) -> None:
    store = EmbeddedStore(str(tmp_path / "store.sqlite"))
    store.upsert([Stored("k", "1", '{"name":"ä"}'.encode())])
    store.close()
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        assert connection.execute("SELECT json_extract(body, '$.name') FROM documents").fetchall() == [("ä",)]
