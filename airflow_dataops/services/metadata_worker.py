# SPDX-License-Identifier: Apache-2.0
"""The worker as a process that never ends: SIGTERM lets it finish the batch that it is in, commit it, and leave."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_dataops.clients.metadata.archive import ParquetArchive
from airflow_dataops.clients.metadata.kafka_log import KafkaLog, Rebalance
from airflow_dataops.clients.metadata.kafka_producer import letter_producer
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings
from airflow_dataops.clients.metadata.mongo_store import MongoSettings, MongoStore
from airflow_dataops.core.errors import DataOpsError, MissingDependency, SpecError, TransientError
from airflow_dataops.core.metadata.dead_letter import DEAD_TOPIC
from airflow_dataops.core.metadata.transforms import Transforms, TransformSpec, parse_transforms
from airflow_dataops.core.metadata.wire import GROUP, TOPIC
from airflow_dataops.jobs.metadata.taking import Taker
from airflow_dataops.jobs.metadata.watching import Drained, Limits, Watch
from airflow_dataops.jobs.metadata.worker import Worker
from airflow_dataops.services.metadata_api.logs import log_as_json
from airflow_dataops.services.probes import probes

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """A worker's surroundings.

    Attributes:
        kafka: The cluster.
        mongo: The store.
        archive: Folder of the archive; None for none.
        topic: Where events come from.
        group: Whose offsets they are.
        dead_topic: Where dead letters go.
        transforms: What is made of events.
        rebalance: How partitions move between workers.
        accept_loss: Go on where retention has deleted what was not read.
        limits: How much at once, and how long.
    """

    kafka: KafkaSettings
    mongo: MongoSettings
    archive: str | None
    topic: str = TOPIC
    group: str = GROUP
    dead_topic: str = DEAD_TOPIC
    transforms: TransformSpec = field(default_factory=TransformSpec)
    rebalance: Rebalance = "cooperative"
    accept_loss: bool = False
    limits: Limits = field(default_factory=Limits)


@contextmanager
def worker_of(settings: WorkerSettings, watch: Watch, stop: threading.Event) -> Iterator[Worker]:
    """Give a worker with all that it needs, and close that.

    Raises:
        SpecError: Something in the settings cannot be meant.
        MissingDependency: A client is not installed.
        StorageDenied: The store does not let us make its indexes.
    """
    with ExitStack() as stack:
        log = KafkaLog(
            settings.kafka,
            settings.topic,
            settings.group,
            rebalance=settings.rebalance,
            accept_loss=settings.accept_loss,
        )
        archive = ParquetArchive(settings.archive) if settings.archive else None
        dead = letter_producer(settings.kafka)
        stack.callback(dead.close)
        store = MongoStore(settings.mongo)
        stack.callback(store.close)
        stack.callback(log.close)
        _prepare(store, settings.limits, watch, stop)
        yield Worker(
            log, store, archive, dead, dead_topic=settings.dead_topic, taker=Taker(Transforms(settings.transforms)),
            limits=settings.limits, watch=watch, stop=stop,
        )  # fmt: skip


def serve(settings: WorkerSettings, *, host: str = "127.0.0.1", port: int = 9464, level: str = "INFO") -> Drained:
    """Run until SIGTERM or SIGINT, and return what was done.

    Args:
        settings: Surroundings.
        host: Where probes and metrics are served; there are no secrets in them.
        port: Its port; 0: any that is free, which the log tells.
        level: Of the log.

    Raises:
        DataOpsError: Something that will not pass. Nothing that was not stored and archived is committed.
    """
    try:
        from airflow_dataops.services.metadata_worker_metrics import WorkerWatch
    except ImportError as error:
        raise MissingDependency(f"{error}", hint='pip install "airflow-dataops[metadata]"') from error
    log_as_json(level)
    stop, watch = threading.Event(), WorkerWatch()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with probes(watch, host, port) as listening:
        _LOG.info("started", extra={"topic": settings.topic, "group": settings.group, "host": host, "port": listening})
        try:
            with worker_of(settings, watch, stop) as worker:
                done = worker.run()
        except DataOpsError as error:
            _LOG.error(error.message, extra={"code": error.code, "hint": error.hint})  # told, not traced
            raise
    _LOG.info("stopped", extra={"read": done.read, "stored": done.stored, "dead": done.dead})
    return done


def read_transforms(path: Path) -> TransformSpec:
    """Return the transforms in a YAML file: of its key ``transforms`` where it has one, as a pipeline's file has, else of all of it.

    Raises:
        SpecError: It cannot be read, or is not valid (``TRANSFORMS_INVALID``).
    """
    import yaml

    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path} cannot be read: {error}", code="TRANSFORMS_INVALID") from None
    found = document.get("transforms", document) if isinstance(document, dict) else document
    if not isinstance(found, Mapping):
        raise SpecError(f"{path} has no transforms", hint="write revision and steps", code="TRANSFORMS_INVALID")
    return parse_transforms(found)


def _prepare(store: MongoStore, limits: Limits, watch: Watch, stop: threading.Event) -> None:
    """Make the store's indexes; a store that is away is waited for."""
    failures = 0
    while not stop.is_set():
        try:
            store.prepare()
            return
        except TransientError as error:
            failures += 1
            wait = limits.wait(failures)
            watch.failed(error, wait)
            stop.wait(wait)


__all__ = ["WorkerSettings", "read_transforms", "serve", "worker_of"]
