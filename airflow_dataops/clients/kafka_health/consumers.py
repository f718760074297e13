# SPDX-License-Identifier: Apache-2.0
"""What only a consumer of the group can ask for: its commits, and single records. It never joins, and never commits.

Loaded in a probe's process only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow_dataops.clients.kafka_health.budget import Budget, Patience
from airflow_dataops.clients.kafka_health.cluster import Commit, Record, Unread
from airflow_dataops.clients.kafka_health.ears import Ears, told
from airflow_dataops.core.kafka_health.asking import Key
from airflow_dataops.core.kafka_health.causes import SOON, UNSTABLE, Told

_TICK = 0.2
_AT_ONCE = 1000
_TRANSACTION = 2.0  # seconds; a transaction that is open for longer is not waited for
# Closing a consumer whose broker hangs takes as long as the broker does; the process ends in a moment, and takes these along.
_LEFT: list[Any] = []


def read_commits(settings: Mapping[str, Any], keys: Collection[Key], budget: Budget) -> dict[Key, Commit | Told]:
    """Return each partition's commit, or why it is not known.

    First those are asked for that no open transaction may change: what a coordinator says without that may be older than what it said
    before, for a moment after it took over (Kafka 4.3). Where a transaction keeps them back, those that are valid now.
    ``list_consumer_group_offsets`` of the admin client would take fewer words, and ends the process where a coordinator moves.

    Args:
        settings: Of the consumer; they name the group.
        keys: Partitions.
        budget: Of the probe.

    Raises:
        Unread: The coordinator told nothing.
    """
    if not keys:
        return {}
    try:
        return _committed({**settings, "isolation.level": "read_committed"}, keys, budget, _TRANSACTION)
    except Unread as error:
        if error.why.code not in (UNSTABLE, "_TIMED_OUT"):
            raise
    return _committed(settings, keys, budget)


def _committed(
    settings: Mapping[str, Any], keys: Collection[Key], budget: Budget, most: float = float("inf")
) -> dict[Key, Commit | Told]:
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    ears, patience = Ears(), Patience(budget)
    consumer = Consumer({**settings, **ears.settings()})
    asked = [TopicPartition(*key) for key in sorted(keys)]
    while True:
        try:
            found = consumer.committed(asked, timeout=min(most, budget.share()))
        except KafkaException as error:
            if told(error).code not in SOON or not patience.pause():
                ears.listen(consumer)
                _LEFT.append(consumer)
                raise Unread(ears.cause(error)) from error
        else:
            consumer.close()
            return {(one.topic, one.partition): _commit(one) for one in found}


def _commit(one: Any) -> Commit | Told:
    if one.error is not None:
        return told(one.error)
    epoch = one.leader_epoch
    return Commit(one.offset if one.offset >= 0 else -1, epoch if epoch is not None and epoch >= 0 else None)


def peek(settings: Mapping[str, Any], starts: Mapping[Key, int], budget: Budget) -> dict[Key, Record]:
    """Return the first record of partitions that can be read, from an offset on. What cannot be read is left out.

    Args:
        settings: Of the consumer.
        starts: Partition -> offset.
        budget: Of the probe.
    """
    from confluent_kafka import Consumer, TopicPartition

    if not starts:
        return {}
    ears, time = Ears(), Budget(budget.share())
    consumer = Consumer({**settings, **ears.settings()})
    _LEFT.append(consumer)
    found: dict[Key, Record] = {}
    open_ = set(starts)
    consumer.assign([TopicPartition(*key, offset) for key, offset in starts.items()])
    while open_ and time.left() and not ears.refused():
        done = _take(consumer, found, open_)
        open_ -= done
        if done:
            consumer.incremental_unassign([TopicPartition(*key) for key in done])
    return found


def _take(consumer: Any, found: dict[Key, Record], open_: Collection[Key]) -> set[Key]:
    """Take what has come, and return the partitions that are done."""
    from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError

    first = consumer.poll(_TICK)
    done: set[Key] = set()
    for message in [] if first is None else [first, *consumer.consume(_AT_ONCE, timeout=0)]:
        key, error = (message.topic(), message.partition()), message.error()
        if key not in open_ or key in done:
            continue
        if error is None:
            kind, at_ms = message.timestamp()
            found[key] = Record(message.offset(), None if kind == TIMESTAMP_NOT_AVAILABLE else at_ms)
        elif error.code() == KafkaError._PARTITION_EOF:
            found[key] = Record(-1)
        done.add(key)
    return done
