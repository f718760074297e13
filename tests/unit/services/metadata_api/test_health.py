# SPDX-License-Identifier: Apache-2.0
"""When the API is ready, and when it hangs."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest

pytest.importorskip("fastapi", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")

from airflow_dataops.core.errors import TransientError
from airflow_dataops.services.metadata_api.publishing import Health


def away() -> None:
    raise TransientError("no broker", code="KAFKA_UNREACHABLE")


def test_it_is_ready_when_a_look_went_well_and_until_it_stops() -> None:
    async def lives() -> list[bool]:
        health = Health(lambda: None)
        found = [health.is_ready]
        await health.look()
        found.append(health.is_ready)
        health.failed(TransientError("no broker", code="KAFKA_UNREACHABLE"))
        found.append(health.is_ready)
        health.succeeded()
        health.stopping = True
        return [*found, health.is_ready]

    assert asyncio.run(lives()) == [False, True, False, False]


def test_it_is_not_ready_where_brokers_are_away() -> None:
    health = Health(away)
    asyncio.run(health.look())
    assert (health.is_ready, health.is_alive) == (False, True)


def test_a_look_that_takes_long_is_no_hang_and_a_loop_that_stands_still_is_one() -> None:
    now, looked, go_on = [0.0], threading.Event(), threading.Event()

    def look() -> None:
        looked.set()
        go_on.wait(60)

    async def lives() -> list[bool]:
        health = Health(look, every=0.001, clock=lambda: now[0])
        watching = asyncio.create_task(health.watch())
        await asyncio.to_thread(looked.wait, 60)
        now[0] = 600.0
        found = [health.is_alive]  # nobody has come round since
        while not health.is_alive:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)  # the loop turns while the look goes on
        found.append(health.is_alive)
        go_on.set()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        return found

    assert asyncio.run(asyncio.wait_for(lives(), 60)) == [False, True]
