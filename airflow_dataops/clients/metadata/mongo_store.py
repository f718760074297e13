# SPDX-License-Identifier: Apache-2.0
"""The newest event of each key in a Mongo collection: durable upserts in bulk, decided by the server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from airflow_dataops.clients.metadata.mongo_errors import DUPLICATE, Verdict, judged, mongo_error
from airflow_dataops.clients.metadata.ports import EventsRefused
from airflow_dataops.core.errors import DataOpsError, MissingDependency, SpecError
from airflow_dataops.core.metadata import mongo
from airflow_dataops.core.metadata.upsert import NO_ORDER, Stored
from airflow_dataops.core.metadata.wire import COLLECTION, DATABASE

T = TypeVar("T")
URI = "DATAOPS_MONGO_URI"
_TIMEOUTS = {"serverSelectionTimeoutMS": 10_000, "connectTimeoutMS": 10_000, "socketTimeoutMS": 60_000}
_LARGEST = 16 << 20
_LAST = "\U0010ffff"  # sorted behind the text of any key
_TRIES = 5  # of what another writer of the same key was in the way of


@dataclass(frozen=True)
class MongoSettings:
    """Where the documents are.

    Attributes:
        uri: Of the server, with user and password; never shown. Options in it stand over our time-outs.
        database: Database.
        collection: Collection; it must have no collation.
        more: Options of the driver, as ``tlsCAFile``.
    """

    uri: str = field(repr=False)
    database: str = DATABASE
    collection: str = COLLECTION
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)


class MongoStore:
    """A store in a Mongo collection.

    A write counts as done when a majority of the replica set has it in its journal.

    Args:
        settings: Where.

    Raises:
        MissingDependency: pymongo is not installed.
        SpecError: The URI cannot be meant (``MONGO_URI``).
    """

    def __init__(self, settings: MongoSettings) -> None:
        self._pymongo = _pymongo()
        self._bson_error = _bson_error()
        named = _options_in(settings.uri)
        given = {name: each for name, each in _TIMEOUTS.items() if name.lower() not in named} | dict(settings.more)
        try:
            self._client = self._pymongo.MongoClient(settings.uri, appname="airflow-dataops", connect=False, **given)
            self._database = self._client[settings.database]
            self._place = f"collection {settings.database}.{settings.collection}"
            concern = self._pymongo.WriteConcern("majority", j=True, wtimeout=60_000)
            self._collection = self._database.get_collection(
                settings.collection,
                write_concern=concern,
                read_concern=self._pymongo.read_concern.ReadConcern("majority"),
            )
        except (self._pymongo.errors.PyMongoError, ValueError) as error:
            hint = f"{URI}=mongodb://user:password@host:27017/?replicaSet=rs0&tls=true"
            raise SpecError(
                f"no address of a Mongo server: {type(error).__name__}", hint=hint, code="MONGO_URI"
            ) from None

    def prepare(self) -> None:
        """Make the indexes of :data:`airflow_dataops.core.metadata.mongo.INDEXES`; nothing happens where they are there."""
        for fields in mongo.INDEXES:
            keys = [(name, 1) for name in fields]
            self._asked(partial(self._collection.create_index, keys))

    def upsert(self, events: Sequence[Stored]) -> int:
        """See :class:`~airflow_dataops.clients.metadata.ports.Store`.

        Most keys are new, and an insert is several times as quick as an upsert. What is there already is upserted, if it is older: an
        order never goes down, so what is as new when it is looked at stays so. One of those is written all the same, which changes nothing,
        but is acknowledged only when all that was seen is in the journal: it may be there from a try whose answer was lost.
        """
        known = {event.key: event for event in events}
        inserts = {event.key: self._pymongo.InsertOne(mongo.document_of(event)) for event in events}
        changed, there, refused = self._written(inserts, known, inserting=True)
        waiting = self._older_than(known, there)
        for _ in range(_TRIES):
            if not waiting:
                break
            made, again, never = self._written({key: self._update(known[key]) for key in waiting}, known)
            changed += made
            refused |= never
            waiting = list(again)
        if waiting:
            message = f"other writers of {len(waiting)} keys were in the way, each time"
            raise mongo_error(self._place, message, code="MONGO_BUSY")
        if refused:
            raise EventsRefused(refused, changed)
        return changed

    def orders(self) -> Iterator[tuple[str, str]]:
        """See :class:`~airflow_dataops.clients.metadata.ports.Store`. Mongo sorts by bytes where there is no collation.

        Documents of somebody else have no order; where their ids are no texts, they come last.
        """
        text = {"$type": "string"}
        for document in self._found({"_id": text}):
            yield document["_id"], mongo.order_in(document)
        for number, document in enumerate(self._found({"_id": {"$not": text}})):
            yield f"{_LAST}{number:012d} {document['_id']!r}", NO_ORDER

    def get(self, keys: Sequence[str]) -> dict[str, Stored]:
        """See :class:`~airflow_dataops.clients.metadata.ports.Store`."""
        found = self._asked(lambda: list(self._collection.find({"_id": {"$in": list(keys)}})))
        return {document["_id"]: mongo.stored_of(document) for document in found}

    def remove(self, key: str, order: str) -> bool:
        """See :class:`~airflow_dataops.clients.metadata.ports.Store`."""
        return bool(self._asked(lambda: self._collection.delete_one({"_id": key, "order": order}).deleted_count))

    def findings(self) -> list[str]:
        """See :class:`~airflow_dataops.clients.metadata.ports.Store`: it can be reached, has the indexes and no collation."""
        try:
            there = self._asked(lambda: [dict(one["key"]) for one in self._collection.list_indexes()])
            about = self._asked(lambda: list(self._database.list_collections(filter={"name": self._collection.name})))
        except DataOpsError as error:
            return [str(error)]
        found = [
            f"{self._place} has no index of {', '.join(fields)}; `dataops run-worker` makes it where it may"
            for fields in mongo.INDEXES
            if list(fields) not in [list(one) for one in there]
        ]
        if any(one.get("options", {}).get("collation") for one in about):
            found.append(f"{self._place} has a collation: its keys do not sort by their bytes; take another collection")
        return found

    def close(self) -> None:
        """See :class:`~airflow_dataops.clients.metadata.ports.Store`."""
        self._client.close()

    def _found(self, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        cursor = self._asked(lambda: self._collection.find(query, {"order": 1}, batch_size=10_000).sort("_id", 1))
        try:
            while (document := self._asked(lambda: next(cursor, None))) is not None:
                yield document
        finally:
            cursor.close()

    def _update(self, event: Stored) -> Any:
        write = mongo.pipeline_write(event)
        return self._pymongo.UpdateOne(write.filter, write.change, upsert=write.upsert)

    def _older_than(self, known: Mapping[str, Stored], keys: Collection[str]) -> list[str]:
        """Return which of these keys are to be written: those whose documents are older than what we have, and one more."""
        if not keys:
            return []
        found = self._asked(lambda: list(self._collection.find({"_id": {"$in": list(keys)}}, {"order": 1})))
        orders = {one["_id"]: mongo.order_in(one) for one in found}
        older = [key for key in keys if orders.get(key, NO_ORDER) < known[key].order]
        witness = next((key for key in keys if key not in set(older)), None)
        return older if witness is None else [*older, witness]

    def _written(
        self, operations: Mapping[str, Any], known: Mapping[str, Stored], *, inserting: bool = False
    ) -> tuple[int, Collection[str], dict[str, str]]:
        """Write, and return how many documents changed, which keys were in the way of, and which will never do."""
        if not operations:
            return 0, (), {}
        try:
            done = self._asked(lambda: self._collection.bulk_write(list(operations.values()), ordered=False))
        except self._pymongo.errors.BulkWriteError as error:
            return self._sorted_out(list(operations), error.details, inserting=inserting)
        except _Unwritable as error:
            never = _unwritable(known[key] for key in operations)
            if not never:
                raise mongo_error(self._place, str(error)) from None
            return 0, operations.keys() - never.keys(), never
        return done.inserted_count + done.modified_count + done.upserted_count, (), {}

    def _sorted_out(
        self, keys: Sequence[str], details: Mapping[str, Any], *, inserting: bool
    ) -> tuple[int, list[str], dict[str, str]]:
        if details.get("writeConcernErrors"):
            raise mongo_error(self._place, details["writeConcernErrors"][0].get("errmsg", ""))
        errors = details["writeErrors"]
        others_passed = len(errors) < len(keys)
        again: list[str] = []
        never: dict[str, str] = {}
        for one in errors:
            key, said = keys[one["index"]], str(one.get("errmsg", ""))
            verdict = judged(one, others_passed=others_passed)
            if verdict is Verdict.AGAIN or (
                inserting and one.get("code") == DUPLICATE
            ):  # of whichever index: an upsert may do
                again.append(key)
            elif verdict is Verdict.REFUSED:
                never[key] = f"{one.get('code')}: {said[:200]}"
            else:
                raise mongo_error(self._place, f"{one.get('code')}: {said[:200]}", denied=verdict is Verdict.DENIED)
        changed = int(details["nInserted"]) + int(details["nModified"]) + int(details["nUpserted"])
        return changed, again, never

    def _asked(self, ask: Callable[[], T]) -> T:
        errors = self._pymongo.errors
        try:
            return ask()
        except errors.BulkWriteError:
            raise
        except (self._bson_error, OverflowError) as error:
            raise _Unwritable(_said(error)) from None
        except errors.OperationFailure as error:
            denied = judged({"code": error.code}, others_passed=False) is Verdict.DENIED
            raise mongo_error(self._place, f"{error.code}: {_said(error)}", denied=denied) from None
        except (errors.PyMongoError, OSError) as error:
            raise mongo_error(
                self._place, f"{type(error).__name__}: {_said(error)}", code="MONGO_UNREACHABLE"
            ) from None


class _Unwritable(Exception):
    """The driver cannot write one of the documents; it does not say which."""


def _unwritable(events: Iterable[Stored]) -> dict[str, str]:
    """Return what the driver cannot write, and why: it is too large, or nothing that BSON has."""
    import bson

    found: dict[str, str] = {}
    for event in events:
        try:
            size = len(bson.encode(mongo.document_of(event)))
        except (bson.errors.BSONError, OverflowError) as error:
            found[event.key] = f"{type(error).__name__}: {error}"
            continue
        if size > _LARGEST:
            found[event.key] = f"{size} bytes as BSON; up to {_LARGEST} are taken"
    return found


def _options_in(uri: str) -> set[str]:
    return {part.partition("=")[0].lower() for part in uri.partition("?")[2].split("&")}


def _said(error: BaseException) -> str:
    return str(error)[:300]


def _bson_error() -> type[Exception]:
    from bson.errors import BSONError

    return BSONError


def _pymongo() -> Any:
    try:
        import pymongo
        import pymongo.errors
        import pymongo.read_concern
    except ImportError as error:
        hint = 'pip install "airflow-dataops[mongo]"'
        raise MissingDependency(f"pymongo is not installed: {error}", hint=hint) from error
    return pymongo


__all__ = ["URI", "MongoSettings", "MongoStore"]
