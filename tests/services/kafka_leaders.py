# SPDX-License-Identifier: Apache-2.0
"""Leaders of partitions, moved as an operator of a cluster moves them: by another order of the replicas, and an election; no broker stops."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.services.kafka_hand import LONG, Hand
from tests.services.kafka_server import Kafka

_ALTER_PARTITION_REASSIGNMENTS = 45
_NONE = b"\x00"  # tagged fields


def lead(kafka: Kafka, hand: Hand, topic: str, partition: int, broker: int) -> None:
    """Make a broker the leader of a partition that all brokers have a copy of; returns when all clients can see it."""
    from confluent_kafka import ElectionType, TopicPartition

    _reassign(kafka, topic, partition, [broker, *(number for number in kafka.numbers if number != broker)])
    one = TopicPartition(topic, partition)

    def leads() -> bool:
        hand.admin.elect_leaders(ElectionType.PREFERRED, [one]).result(LONG)  # this binding takes no time-outs
        return hand.leader(topic, partition) == broker

    hand.until(leads)


@contextmanager
def moving(kafka: Kafka, partitions: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int, int]]]:
    """Have leaders on the move, one at a time, all the time; yields a list that tells topic, partition and new leader of each move."""
    done: list[tuple[str, int, int]] = []
    ended, hand = threading.Event(), Hand(kafka)

    def move() -> None:
        for topic, partition in itertools.cycle(partitions):
            if ended.is_set():
                return
            number = hand.leader(topic, partition) % len(kafka.numbers) + 1
            lead(kafka, hand, topic, partition, number)
            done.append((topic, partition, number))

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield done
    finally:
        ended.set()
        thread.join()


def _reassign(kafka: Kafka, topic: str, partition: int, replicas: Sequence[int]) -> None:
    """Ask for another order of replicas, in the words of the protocol: the admin client of librdkafka has none for it."""
    name = _string(topic)
    placed = struct.pack(">i", partition) + _count(replicas) + struct.pack(f">{len(replicas)}i", *replicas) + _NONE
    body = struct.pack(">i", 60_000) + _count([1]) + name + _count([1]) + placed + _NONE + _NONE
    client = b"leaders"
    head = struct.pack(">hhih", _ALTER_PARTITION_REASSIGNMENTS, 0, 1, len(client)) + client + _NONE
    host, _, port = kafka.bootstrap().split(",")[0].partition(":")
    with socket.create_connection((host, int(port)), LONG) as broker:
        broker.sendall(struct.pack(">i", len(head + body)) + head + body)
        answer = broker.recv(struct.unpack(">i", broker.recv(4, socket.MSG_WAITALL))[0], socket.MSG_WAITALL)
    # Correlation, tags, time throttled, error; its message; one topic, its name, one partition, its number, error.
    (error,) = struct.unpack(">h", answer[9:11])
    assert error == 0, answer
    at = 11 + max(1, answer[11]) + 1 + len(name) + 1 + 4
    (error,) = struct.unpack(">h", answer[at : at + 2])
    assert error == 0, answer


def _count(several: Sequence[int]) -> bytes:
    return bytes([len(several) + 1])


def _string(text: str) -> bytes:
    return bytes([len(text) + 1]) + text.encode()
