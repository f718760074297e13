# SPDX-License-Identifier: Apache-2.0
"""What the jobs of a metadata pipeline are told, and what they return."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_dataops.core.metadata.dead_letter import DEAD_TOPIC
from airflow_dataops.core.metadata.event import CHECK
from airflow_dataops.core.metadata.transforms import TransformSpec
from airflow_dataops.core.metadata.wire import COLLECTION, DATABASE, GROUP, TOPIC
from airflow_dataops.core.model import Model
from airflow_dataops.core.tables import JobResult, JobSpec, SecretRef


class KafkaLog(Model):
    """A topic of a Kafka cluster.

    Attributes:
        topic: Topic of the events.
        group: Consumer group whose commits say how far they are stored.
        dead_topic: Topic of the records that cannot be taken.
        settings: Settings of librdkafka that are no secrets.
        connection: Further settings, a JSON object: the ``extra`` of an Airflow connection of the type ``kafka``.
    """

    kind: Literal["kafka"] = "kafka"
    topic: str = TOPIC
    group: str = GROUP
    dead_topic: str = DEAD_TOPIC
    settings: dict[str, Any] = {}
    connection: SecretRef | None = None


class EmbeddedLog(Model):
    """A log in a file of this machine, with the promises of a topic: partitions by key, offsets, commits by group.

    Attributes:
        file: The file, absolute; made where it is not there.
        topic: Topic of the events.
        group: Consumer group whose commits say how far they are stored.
        dead_topic: Topic of the records that cannot be taken.
        partitions: Partitions of a topic that is made.
        inbox: Folder of files with an event a line (``*.jsonl``); what is new there is posted at the start of a run, each file once.
    """

    kind: Literal["embedded"] = "embedded"
    file: str
    topic: str = TOPIC
    group: str = GROUP
    dead_topic: str = DEAD_TOPIC
    partitions: int = Field(default=3, ge=1, le=256)
    inbox: str | None = None


class MongoStore(Model):
    """A collection of a server that speaks MongoDB's protocol.

    Attributes:
        uri: Its address, with user and password.
        database: Database.
        collection: Collection; it has no collation.
    """

    kind: Literal["mongo"] = "mongo"
    uri: SecretRef
    database: str = DATABASE
    collection: str = COLLECTION


class EmbeddedStore(Model):
    """A table in a file of this machine.

    Attributes:
        file: The file, absolute; made where it is not there.
    """

    kind: Literal["embedded"] = "embedded"
    file: str


Verdict = Literal["passed", "warned", "failed"]
State = Literal["ok", "failed", "warning", "unknown"]
Events = Annotated[KafkaLog | EmbeddedLog, Field(discriminator="kind")]
Store = Annotated[MongoStore | EmbeddedStore, Field(discriminator="kind")]


class MetadataJob(JobSpec):
    """What all of them are told.

    Attributes:
        events: Where events come from.
        store: Where they are kept.
        archive: Where raw and enriched records are kept as Parquet; None for nowhere.
        transforms: What is made of an event before it is stored.
    """

    events: Events
    store: Store
    archive: str | None = None
    transforms: TransformSpec = TransformSpec()


class ApiJob(MetadataJob):
    """What those are told that come to the API.

    Attributes:
        api: Address of the API; None for none.
        api_ca: File with the authority that signed its certificate; None: those that the system knows.
        api_cert: File with a client certificate and its key; None for none.
    """

    api: str | None = None
    api_ca: str | None = None
    api_cert: str | None = None


class PreflightSpec(ApiJob):
    """Is all there that a run needs?

    Attributes:
        namespace: Kubernetes namespace whose nodes and pods are looked at; None for none.
        min_partitions: Fewest partitions of the topic.
        min_retention_hours: Shortest retention of the topic that is no finding.
    """

    job: Literal["metadata_preflight"] = "metadata_preflight"
    namespace: str | None = None
    min_partitions: int = Field(default=1, ge=1)
    min_retention_hours: float = Field(default=24, gt=0)


class Check(Model):
    """One thing that was looked at.

    Attributes:
        name: What.
        status: ``ok``, ``failed``, ``warning``, or ``unknown`` where it could not be seen.
        found: What is there.
        hint: What to do.
    """

    name: str
    status: State
    found: str = ""
    hint: str = ""


class PreflightResult(JobResult):
    """What was found.

    Attributes:
        verdict: ``passed``, ``warned`` or ``failed``.
        checks: All that was looked at.
        posted: Events of the inbox that were posted.
        refused: Lines of the inbox that are no events: ``file:line`` -> why; at most a hundred.
        reasons: Why the verdict is not ``passed``, one line each.
    """

    job: Literal["metadata_preflight"] = "metadata_preflight"
    verdict: Verdict = "passed"
    checks: list[Check] = []
    posted: int = 0
    refused: dict[str, str] = {}
    reasons: list[str] = []


class HealthSpec(MetadataJob):
    """How does the consumer group do, by the log itself?

    Attributes:
        check: What is checked (:class:`~airflow_dataops.core.kafka_health.check.HealthCheck`), without group and topics.
    """

    job: Literal["metadata_health"] = "metadata_health"
    check: dict[str, Any] = {}


class HealthResult(JobResult):
    """What was found.

    Attributes:
        verdict: ``passed``, ``warned`` or ``failed``.
        health: The verdict of the check (:func:`airflow_dataops.core.kafka_health.report.document_of`).
        reasons: The same in words.
    """

    job: Literal["metadata_health"] = "metadata_health"
    verdict: Verdict = "passed"
    health: dict[str, Any] = {}
    reasons: list[str] = []


class DrainSpec(MetadataJob):
    """Store and archive all events up to the ends that the log had when the run began.

    Attributes:
        on_data_loss: ``fail`` where records were deleted before they were read; ``accept`` goes on without them.
        slice: Whether the records of the run are left in the staging area, for a gate.
    """

    job: Literal["metadata_drain"] = "metadata_drain"
    on_data_loss: Literal["fail", "accept"] = "fail"
    slice: bool = True


class PartitionCount(Model):
    """One partition of a run.

    Attributes:
        partition: Partition.
        begin: First offset of the run.
        stop: Offset behind its last one.
        read: Records that this try read.
        lost: Offsets that were deleted before anybody read them.
    """

    partition: int
    begin: int
    stop: int
    read: int = 0
    lost: int = 0


class DrainResult(JobResult):
    """What was drained. ``rows.read`` are records, ``rows.quarantined`` dead letters, ``rows.written`` stored events.

    Attributes:
        partitions: What belongs to the run, by partition.
        changed: Documents that are others than before.
        objects: Objects of the archive that were written.
        table: Folder of the run's records for a gate; None where nobody asked.
        columns: Columns of them -> path in a line of their files.
    """

    job: Literal["metadata_drain"] = "metadata_drain"
    partitions: list[PartitionCount] = []
    changed: int = 0
    objects: int = 0
    table: str | None = None
    columns: dict[str, str] = {}


class ReconcileSpec(MetadataJob):
    """Compare topic, store and archive.

    Attributes:
        scope: ``run``: the records of this run, of which the store may have newer ones by now; ``all``: all that there is, exactly.
        on_difference: ``fail`` or ``warn``.
    """

    job: Literal["metadata_reconcile"] = "metadata_reconcile"
    scope: Literal["run", "all"] = "run"
    on_difference: Literal["fail", "warn"] = "fail"


class PartitionTally(Model):
    """What one partition has.

    Attributes:
        partition: Partition.
        topic: Records in the topic.
        archive: Rows in the archive.
        expired: Of them, those that the topic has no more.
    """

    partition: int
    topic: int
    archive: int
    expired: int = 0


class ReconcileResult(JobResult):
    """What was compared.

    Attributes:
        verdict: ``passed``, ``warned`` or ``failed``.
        partitions: Counts by partition.
        keys: Keys of topic and archive.
        stored: Documents that were compared.
        differences: Kind of difference -> how many.
        examples: The first ones, as documents.
        listed: File with each of them, a line of JSON each; None where there is none.
        reasons: Why the verdict is not ``passed``, one line each.
    """

    job: Literal["metadata_reconcile"] = "metadata_reconcile"
    verdict: Verdict = "passed"
    partitions: list[PartitionTally] = []
    keys: int = 0
    stored: int = 0
    differences: dict[str, int] = {}
    examples: list[dict[str, Any]] = []
    listed: str | None = None
    reasons: list[str] = []


class RoundTripSpec(ApiJob):
    """Post a marked event and see it arrive; without an API it is posted straight to the log.

    Attributes:
        phase: ``post`` it, ``await`` it in store and archive and remove it from the store, or ``both``.
        token: The API's token.
        timeout_seconds: Longest wait.
    """

    job: Literal["metadata_round_trip"] = "metadata_round_trip"
    phase: Literal["post", "await", "both"] = "both"
    token: SecretRef | None = None
    timeout_seconds: float = Field(default=120, gt=0)


class RoundTripResult(JobResult):
    """What was posted, and seen.

    Attributes:
        key: Key of the event; it begins with ``dataops-check.``.
        stored: Whether it was seen in the store.
        archived: Whether it was seen in the archive; None without one.
        removed: Whether it was removed from the store.
    """

    job: Literal["metadata_round_trip"] = "metadata_round_trip"
    key: str
    stored: bool | None = None
    archived: bool | None = None
    removed: bool | None = None


def check_key(pipeline: str, run_key: str) -> str:
    """Return the key of a run's marked event; the same for each try."""
    return f"{CHECK}{pipeline}.{run_key}"[:200]


__all__ = [
    "ApiJob",
    "Check",
    "DrainResult",
    "DrainSpec",
    "EmbeddedLog",
    "EmbeddedStore",
    "Events",
    "HealthResult",
    "HealthSpec",
    "KafkaLog",
    "MetadataJob",
    "MongoStore",
    "PartitionCount",
    "PartitionTally",
    "PreflightResult",
    "PreflightSpec",
    "ReconcileResult",
    "ReconcileSpec",
    "RoundTripResult",
    "RoundTripSpec",
    "Store",
    "check_key",
]  # fmt: skip
