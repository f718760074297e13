# SPDX-License-Identifier: Apache-2.0
"""From what a job is told to what it works with: log, store, archive and publisher, embedded or real."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings
from airflow_dataops.clients.metadata.ports import Archive, EventLog, Publisher, Store
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata.jobs import EmbeddedLog as EmbeddedLogSpec
from airflow_dataops.core.metadata.jobs import KafkaLog as KafkaLogSpec
from airflow_dataops.core.metadata.jobs import MetadataJob, MongoStore


@dataclass(frozen=True)
class Parts:
    """What a job works with.

    Attributes:
        log: One group of the topic.
        store: Where events are kept.
        archive: Where records are kept; None for nowhere.
        publisher: Takes dead letters, and events that are posted past the API.
    """

    log: EventLog
    store: Store
    archive: Archive | None
    publisher: Publisher


@contextmanager
def opened(spec: MetadataJob, secrets: Mapping[str, str] | None = None) -> Iterator[Parts]:
    """Give the parts of a job, and close them at the end.

    Args:
        spec: What to open.
        secrets: Reference -> value.

    Raises:
        DataOpsError: One of them cannot be reached, or its settings are not valid.
    """
    with ExitStack() as stack:
        known = secrets or {}
        log, publisher = _log(spec.events, known, stack)
        stack.callback(log.close)
        store = _store(spec, known)
        stack.callback(store.close)
        yield Parts(log, store, _archive(spec.archive, stack), publisher)


def kafka_settings(log: KafkaLogSpec, secrets: Mapping[str, str]) -> KafkaSettings:
    """Return how a topic's cluster is reached, secrets included.

    Raises:
        SpecError: The connection's extra is no JSON object, or nothing says where the brokers are (``KAFKA_CONNECTION``).
    """
    found = dict(log.settings)
    if log.connection is not None:
        found |= _connection(log.connection.secret, secrets[log.connection.secret])
    bootstrap = found.pop("bootstrap.servers", None)
    if not bootstrap:
        raise SpecError(
            "nothing says where Kafka's brokers are",
            hint='write {"bootstrap.servers": "host:9092"} into the extra of the Kafka connection',
            code="KAFKA_CONNECTION",
        )
    return KafkaSettings(str(bootstrap), found)


def _connection(name: str, text: str) -> dict[str, Any]:
    try:
        extra = json.loads(text)
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        hint = 'write a JSON object with librdkafka\'s settings: {"bootstrap.servers": "host:9092"}'
        raise SpecError(f"{name} is no JSON object (not shown here)", hint=hint, code="KAFKA_CONNECTION")
    return extra


def _log(
    log: KafkaLogSpec | EmbeddedLogSpec, secrets: Mapping[str, str], stack: ExitStack
) -> tuple[EventLog, Publisher]:
    if isinstance(log, EmbeddedLogSpec):
        from airflow_dataops.clients.metadata.embedded_log import EmbeddedLog, EmbeddedPublisher, LogFile

        file = LogFile(log.file, partitions=log.partitions)
        stack.callback(file.close)
        publisher = EmbeddedPublisher(file)
        stack.callback(publisher.close)
        return EmbeddedLog(file, log.topic, log.group), publisher
    from airflow_dataops.clients.metadata.kafka_log import KafkaLog
    from airflow_dataops.clients.metadata.kafka_producer import letter_producer

    settings = kafka_settings(log, secrets)
    producer = letter_producer(settings)
    stack.callback(producer.close)
    return KafkaLog(settings, log.topic, log.group), producer


def _store(spec: MetadataJob, secrets: Mapping[str, str]) -> Store:
    if isinstance(spec.store, MongoStore):
        from airflow_dataops.clients.metadata import mongo_store

        uri = secrets[spec.store.uri.secret]
        return mongo_store.MongoStore(mongo_store.MongoSettings(uri, spec.store.database, spec.store.collection))
    from airflow_dataops.clients.metadata.embedded_store import EmbeddedStore

    return EmbeddedStore(spec.store.file)


def _archive(path: str | None, stack: ExitStack) -> Archive | None:
    if path is None:
        return None
    from airflow_dataops.clients.metadata.archive import ParquetArchive

    archive = ParquetArchive(path)
    stack.callback(archive.close)
    return archive


__all__ = ["Parts", "kafka_settings", "opened"]
