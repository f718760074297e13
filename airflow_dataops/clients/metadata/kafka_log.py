# SPDX-License-Identifier: Apache-2.0
"""One group's way through a Kafka topic."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal

from airflow_dataops.clients.metadata.kafka_errors import KafkaAway, error_of
from airflow_dataops.clients.metadata.kafka_reading import (
    Hearing,
    offsets_of,
    record_of,
    records_between,
    refuse_members,
    size_of,
    tried,
)
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings, confluent
from airflow_dataops.clients.metadata.ports import Fenced, Fetched
from airflow_dataops.core.errors import DataOpsError, InputError
from airflow_dataops.core.metadata.dead_letter import Record
from airflow_dataops.core.metadata.drain import Offsets, PartitionId

_FENCED = {
    "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "FENCED_INSTANCE_ID", "STALE_MEMBER_EPOCH",
    "FENCED_MEMBER_EPOCH", "_ASSIGNMENT_LOST", "UNRELEASED_INSTANCE_ID",
}  # fmt: skip
_PASSED_OVER = {"_MAX_POLL_EXCEEDED"}  # the member has left, and joins again by the next poll
_CHUNK = 500  # records of one call of the client
_LARGEST = 1 << 20  # bytes: what a record may have until others were seen
_WAIT = 0.25
_OWN = {
    "enable_auto_commit": False,
    "enable_auto_offset_store": False,
    "enable_partition_eof": True,
    "isolation_level": "read_committed",
    "auto_offset_reset": "error",
}
# The user's properties stand over these.
_USUAL = {"max.poll.interval.ms": 600_000, "check.crcs": True, "queued.max.messages.kbytes": 64 << 10}
Rebalance = Literal["cooperative", "eager"]


class KafkaLog:
    """A group's reading of a topic; an :class:`~airflow_dataops.clients.metadata.ports.EventLog`.

    What was never committed is read from the beginning of the log. What was deleted before it was read is not gone over in silence.

    Args:
        settings: The cluster.
        topic: Topic.
        group: Group.
        rebalance: How partitions move between members: one by one, or all at once.
        accept_loss: Go on at the beginning of the log where retention has deleted what was not read.

    Raises:
        SpecError: The properties cannot be meant (``KAFKA_SETTINGS``).
        MissingDependency: confluent-kafka is not installed.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        group: str,
        *,
        rebalance: Rebalance = "cooperative",
        accept_loss: bool = False,
    ) -> None:
        self.topic, self.group = topic, group
        self._settings, self._rebalance, self._accept = settings, rebalance, accept_loss
        self._kafka, self._heard = confluent(), Hearing()
        self._consumer: Any = None
        self._positions: dict[PartitionId, int] = {}
        self._mine: set[PartitionId] = set()
        self._ended: set[PartitionId] = set()  # at the end of their log
        self._paused: set[PartitionId] = set()
        self._gone: dict[PartitionId, int] = {}  # committed, but no more there, and that is accepted
        self._stuck: set[PartitionId] = set()  # what they should be read from is not there, as a broker says
        self._found: dict[PartitionId, list[Record]] = defaultdict(list)
        self._error: DataOpsError | None = None
        self._on_lost: Callable[[Collection[PartitionId]], None] | None = None
        self._largest = _LARGEST

    def offsets(self) -> dict[PartitionId, Offsets]:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`."""
        return tried(lambda: offsets_of(self._settings, self.topic, self.group))

    def read(self, partition: PartitionId, begin: int, stop: int) -> Iterator[Record]:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`."""
        return records_between(self._settings, self.group, partition, begin, stop)

    def assign(self, begin: Mapping[PartitionId, int]) -> None:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`.

        Called again with fewer partitions, the others are read no more, and these go on without losing what is fetched already.
        """
        if self._consumer is None:
            tried(lambda: refuse_members(self._settings, self.group))
            self._consumer = self._made()
        if self._mine and begin.keys() <= self._mine:
            gone = self._mine - begin.keys() - self._paused
            self._consumer.pause([self._place(partition) for partition in gone])
            self._paused |= gone
            self._stuck -= gone
            self.seek({partition: at for partition, at in begin.items() if self._positions.get(partition) != at})
            return
        self._assign_all(begin)

    def subscribe(self, on_lost: Callable[[Collection[PartitionId]], None]) -> None:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`."""
        self._on_lost = on_lost
        self._consumer = self._made()
        self._subscribe()

    def poll(self, *, records: int, size: int, seconds: float) -> Fetched:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`.

        Raises:
            InputError: Records were deleted before they were read (``DATA_LOST``), or there is no such topic.
            StorageDenied: A broker refuses this user.
        """
        self._raise_what_was_kept()
        for partition in sorted(self._stuck):
            self._go_on(partition)
        self._found = defaultdict(list)
        end, count, taken = time.monotonic() + seconds, 0, 0
        while count < records and (taken < size or not count):
            left = end - time.monotonic()
            most = max(min(records - count, _CHUNK, (size - taken) // self._largest), 1)
            for message in self._consumed(most, max(min(left, _WAIT), 0.0)):
                record = self._heeded(message)
                if record is not None:
                    count += 1
                    taken += size_of(record)
            if left <= 0 or self._error or self._stuck or (count and self._ended >= self._mine - self._paused):
                break
        sizes = [size_of(one) for rows in self._found.values() for one in rows]
        if sizes:
            self._largest = max(sizes)
        else:
            self._raise_what_was_heard()
        return Fetched({p: rows for p, rows in self._found.items() if rows}, dict(self._positions))

    def seek(self, positions: Mapping[PartitionId, int]) -> None:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`."""
        for partition, at in positions.items():
            if partition not in self._mine:
                continue
            try:
                self._consumer.seek(self._place(partition, at))
            except self._kafka.KafkaException:
                self._begin_again(positions)
                return
            self._positions[partition] = at
            self._ended.discard(partition)

    def commit(self, positions: Mapping[PartitionId, int]) -> None:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`."""
        wanted = [self._place(partition, at) for partition, at in positions.items()]
        try:
            done = self._consumer.commit(offsets=wanted, asynchronous=False)
        except self._kafka.KafkaException as bad:
            raise self._not_committed(bad.args[0]) from None
        for one in done:
            if one.error is not None:
                raise self._not_committed(one.error)

    def close(self) -> None:
        """See :class:`~airflow_dataops.clients.metadata.ports.EventLog`."""
        if self._consumer is not None:
            self._on_lost = None
            consumer, self._consumer = self._consumer, None
            consumer.close()

    def _made(self) -> Any:
        usual: dict[str, Any] = dict(_USUAL)
        if self._settings.properties.get("group.protocol") != "consumer":  # there the broker assigns
            strategy = "cooperative-sticky" if self._rebalance == "cooperative" else "range"
            usual["partition.assignment.strategy"] = strategy
        settings = KafkaSettings(self._settings.bootstrap, {**usual, **self._settings.properties})
        try:
            return self._kafka.Consumer({**settings.client(group_id=self.group, **_OWN), "error_cb": self._heard})
        except self._kafka.KafkaException as bad:
            raise error_of(bad.args[0], "settings") from None

    def _assign_all(self, positions: Mapping[PartitionId, int]) -> None:
        self._consumer.assign([self._place(partition, at) for partition, at in sorted(positions.items())])
        self._mine, self._positions = set(positions), dict(positions)
        self._ended, self._paused, self._stuck = set(), set(), set()

    def _subscribe(self) -> None:
        self._consumer.subscribe([self.topic], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def _begin_again(self, positions: Mapping[PartitionId, int]) -> None:
        """Read anew after a seek that failed: from the positions wanted, or as a member from what is committed."""
        if self._on_lost is None:
            self._assign_all({p: positions.get(p, self._positions[p]) for p in self._mine - self._paused})
            return
        self._taken(None, [self._place(partition) for partition in self._mine])
        self._consumer.unsubscribe()
        self._subscribe()

    def _given(self, consumer: Any, places: list[Any]) -> None:
        """Begin with partitions that the group gives: at what is committed, else at the beginning."""
        try:
            known = consumer.committed(places, timeout=30.0)
            begin = [self._place(_id(one), self._first(one)) for one in known]
            if any(one.error is not None for one in known):
                raise self._kafka.KafkaException(next(one.error for one in known if one.error is not None))
        except self._kafka.KafkaException as bad:
            # Not known now: the client asks itself, and where nothing is committed it ends in an error, which begins anew.
            self._error, begin = error_of(bad.args[0], f"offsets of group {self.group}"), places
        self._mine |= {_id(one) for one in places}
        if self._is_cooperative():
            consumer.incremental_assign(begin)
        else:
            consumer.assign(begin)

    def _first(self, place: Any) -> int:
        is_known = place.offset >= 0 and self._gone.get(_id(place)) != place.offset
        return int(place.offset if is_known else self._kafka.OFFSET_BEGINNING)

    def _taken(self, _consumer: Any, places: list[Any]) -> None:
        """Forget partitions that the group takes: what this poll has of them is another member's to read."""
        gone = {_id(one) for one in places}
        for partition in gone:
            self._positions.pop(partition, None)
            self._found.pop(partition, None)
        self._mine -= gone
        self._ended -= gone
        self._stuck -= gone
        if self._on_lost is not None and gone:
            self._on_lost(gone)

    def _is_cooperative(self) -> bool:
        return self._rebalance == "cooperative" or self._settings.properties.get("group.protocol") == "consumer"

    def _consumed(self, most: int, seconds: float) -> list[Any]:
        try:
            return list(self._consumer.consume(most, timeout=seconds))
        except self._kafka.KafkaException as bad:
            self._error = error_of(bad.args[0], f"topic {self.topic}", self._heard.cause)
            return []

    def _heeded(self, message: Any) -> Record | None:
        """Note what a message tells; returns the record if it is one that is ours."""
        partition, error = (message.topic(), message.partition()), message.error()
        if error is not None:
            if error.code() == self._kafka.KafkaError._PARTITION_EOF:
                if partition in self._mine:
                    self._positions[partition] = message.offset()
                    self._ended.add(partition)
            elif error.code() == self._kafka.KafkaError._AUTO_OFFSET_RESET:
                self._stuck |= {partition} & (self._mine - self._paused)
            elif error.name() not in _PASSED_OVER:
                self._error = error_of(error, f"topic {self.topic}", self._heard.cause)
            return None
        if partition not in self._mine or partition in self._paused:
            return None
        record = record_of(message)
        self._found[partition].append(record)
        self._positions[partition] = record.offset + 1
        self._ended.discard(partition)
        return record

    def _go_on(self, partition: PartitionId) -> None:
        """Read a stuck partition from where that may be, or say why it may not. Where nobody knows, the next poll looks again.

        Raises:
            TransientError: The offsets are not known now.
            InputError: What comes next is not there, and that is not accepted.
        """
        seen = self.offsets().get(partition)
        if seen is None:
            raise InputError(f"topic {self.topic} has no partition {partition[1]} any more", code="KAFKA_NO_TOPIC")
        is_member = self._on_lost is not None
        at = seen.committed if is_member else self._positions[partition]
        lost = at is not None and at < seen.start
        if at is not None and seen.start <= at <= seen.end:
            self._begin_again({})  # a leader that was not yet as far as the one before
        elif is_member and (at is None or (lost and self._accept)):
            if at is not None:
                self._gone[partition] = at
            self._begin_again({})
        elif partition in self._stuck:
            raise _not_there(partition, at, seen, lost=lost)

    def _raise_what_was_kept(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _raise_what_was_heard(self) -> None:
        """Nothing came: where a client knows why, say so, once for each time it is told."""
        self._raise_what_was_kept()
        cause, self._heard.cause = self._heard.cause, None
        away, self._heard.away = self._heard.away, None
        if cause is not None:
            raise error_of(cause, f"topic {self.topic}")
        if away is not None:
            raise KafkaAway(f"topic {self.topic}: {away.str()}")

    def _not_committed(self, error: Any) -> DataOpsError:
        if error.name() in _FENCED:
            return Fenced(f"group {self.group}: {error.str()} ({error.name()})", hint="another reader goes on")
        return error_of(error, f"offsets of group {self.group}", self._heard.cause)

    def _place(self, partition: PartitionId, offset: int | None = None) -> Any:
        return self._kafka.TopicPartition(*partition, *(() if offset is None else (offset,)))


def _not_there(partition: PartitionId, at: int | None, seen: Offsets, *, lost: bool) -> InputError:
    told = f"{partition[0]}/{partition[1]}: {at} comes next, and there is {seen.start} to {seen.end}"
    if lost:
        hint = "raise the topic's retention; to go on without what is gone: --accept-loss, or on_data_loss: accept"
        return InputError(f"records were deleted before they were read: {told}", hint=hint, code="DATA_LOST")
    hint = "the topic was made anew: reset the group's offsets, and give the archive another prefix"
    return InputError(f"more was read than there is: {told}", hint=hint, code="TOPIC_REPLACED")


def _id(place: Any) -> PartitionId:
    return place.topic, place.partition


__all__ = ["KafkaLog", "Rebalance"]
