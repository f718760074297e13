# SPDX-License-Identifier: Apache-2.0
"""The probe of consumer groups against bare calls of the same client, and 500 checks that wake together in one event loop.

They are probes alone, and where Airflow is installed the triggers of deferred tasks.

    python benchmarks/bench_kafka_probe.py [--partitions 5000] [--checks 500] [--rounds 5] [--smoke]

Kafka is real (one broker on this machine). The floor asks for the group's commits and both ends of all partitions, in this process, with
a client of its own: no state, no members, no ages, no waiting records, and a crash would be the caller's. The aim is 1 s for 5,000
partitions, process and all. For the checks, each of a group of its own on one connection, it prints the processes that were started, and by
how much a timer of the loop that should fire each 5 ms was late; the aim is a p99 below 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_dataops.clients.kafka_health import probe as probing
from airflow_dataops.clients.kafka_health.probe import KafkaAccess, Probes, probe
from airflow_dataops.core.kafka_health.asking import GroupAsk
from tests.services import kafka_server
from tests.services.kafka_hand import LONG, Hand

GROUP, TOPIC = "the-group", "the-topic"
TICK = 0.005


def floor(broker: Any, partitions: int) -> float:
    """Ask the least; returns seconds."""
    from confluent_kafka import Consumer, TopicPartition, admin

    api: Any = admin
    begin = time.perf_counter()
    asked = [TopicPartition(TOPIC, number) for number in range(partitions)]
    client = api.AdminClient(broker.client())
    client.list_topics(timeout=LONG)
    consumer = Consumer(broker.client(group_id=GROUP, enable_auto_commit=False))
    consumer.committed(asked, timeout=LONG)
    for spec in (api.OffsetSpec.earliest(), api.OffsetSpec.latest()):
        futures = client.list_offsets(dict.fromkeys(asked, spec), request_timeout=LONG)
        assert all(future.result(LONG).offset >= 0 for future in futures.values())
    consumer.close()
    return time.perf_counter() - begin


def ours(access: KafkaAccess, partitions: int) -> float:
    """Ask as a task does; returns seconds."""
    begin = time.perf_counter()
    (found,) = asyncio.run(
        probe(access, [GroupAsk(GROUP, topics=(TOPIC,), ages_ms=(300_000,), peek=100)], seconds=LONG)
    )
    seconds = time.perf_counter() - begin
    assert found.error is None, found.error
    assert len(found.partitions) == partitions
    return seconds


async def probes(access: KafkaAccess, checks: int) -> None:
    """Ask about so many groups at once, each for itself."""
    own = Probes()
    asks = [GroupAsk(f"group-{number}", topics=("small",)) for number in range(checks)]
    found = await asyncio.gather(*(own.probe(access, [ask], seconds=LONG) for ask in asks))
    assert all(one.error is None for (one,) in found), next(one.error for (one,) in found if one.error)


async def triggers(checks: int) -> None:
    """Run so many triggers of deferred tasks at once, as a triggerer does; each reads its connection, looks and fires its event."""
    from airflow_dataops.core.kafka_health.check import parse
    from airflow_dataops.core.kafka_health.course import course_of
    from airflow_dataops.triggers.kafka_health import KafkaConsumerHealthTrigger

    async def one(number: int) -> Any:
        asked = {"group": f"group-{number}", "topics": ["small"], "timeout": "5m", "require_commits": False}
        course = course_of(parse(asked)).document()
        trigger = KafkaConsumerHealthTrigger(asked, {"kafka_config_id": "bench"}, course, wait=False)
        return [event.payload async for event in trigger.run()]

    found = await asyncio.gather(*(one(number) for number in range(checks)))
    assert all(len(events) == 1 and "error" not in events[0] for events in found), found[0]


async def watched(work: Awaitable[None]) -> tuple[float, int, list[float]]:
    """Do it; returns seconds, processes that were started, and by how much the loop's timer was late each time."""
    started = 0
    run = probing.run

    async def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal started
        started += 1
        return await run(*arguments, **more)

    late: list[float] = []

    async def watch() -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            late.append(time.perf_counter() - due)

    watching = asyncio.create_task(watch())
    probing.run = counted
    begin = time.perf_counter()
    try:
        await work
    finally:
        probing.run = run
        watching.cancel()
    return time.perf_counter() - begin, started, late


def tell(what: str, seconds: float, started: int, late: list[float]) -> None:
    """Print it."""
    p99 = statistics.quantiles(late, n=100)[98] * 1000
    print(
        f"{what}: {seconds:.1f} s, {started} processes; the loop was late by p99 {p99:.1f} ms, "
        f"most {max(late) * 1000:.1f} ms ({len(late)} ticks)"
    )


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--partitions", type=int, default=5000)
    parser.add_argument("--checks", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.smoke:
        given.partitions, given.checks, given.rounds = 100, 50, 1
    reason = kafka_server.missing()
    if reason:
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-probe-") as folder, kafka_server.kafka(Path(folder)) as broker:
        hand = Hand(broker)
        hand.topic(given.partitions, name=TOPIC)
        hand.topic(3, name="small")
        hand.commit(GROUP, TOPIC, dict.fromkeys(range(given.partitions), 0))
        access = KafkaAccess(broker.client())
        pairs = [(ours(access, given.partitions), floor(broker, given.partitions)) for _ in range(given.rounds)]
        probed, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(
            f"{given.partitions} partitions: probe {probed:.2f} s, bare calls {bare:.2f} s, ratio {probed / bare:.2f}"
        )
        known = json.dumps({"conn_type": "kafka", "extra": broker.client()})
        os.environ |= {"AIRFLOW_CONN_BENCH": known, "AIRFLOW_HOME": folder, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        has_airflow = importlib.util.find_spec("airflow") is not None
        if has_airflow:
            asyncio.run(triggers(1))  # its imports are not measured
        for _ in range(min(given.rounds, 3)):
            tell(f"{given.checks} checks", *asyncio.run(watched(probes(access, given.checks))))
            if has_airflow:
                tell(f"{given.checks} triggers", *asyncio.run(watched(triggers(given.checks))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
