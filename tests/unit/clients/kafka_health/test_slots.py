# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

from airflow_dataops.clients.kafka_health.slots import Slots


async def hold(slots: Slots, gate: asyncio.Event, order: list[str], name: str) -> None:
    async with slots.place():
        order.append(name)
        await gate.wait()


async def turn() -> None:
    """Let all that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_comes_first_is_served_first() -> None:
    async def main() -> list[str]:
        slots, gate, order = Slots(1), asyncio.Event(), list[str]()
        tasks = [asyncio.create_task(hold(slots, gate, order, name)) for name in "abc"]
        await turn()
        assert order == ["a"]
        gate.set()
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(main()) == ["a", "b", "c"]


def test_one_who_gives_up_takes_no_place() -> None:
    async def main() -> list[str]:
        slots, gate, order = Slots(1), asyncio.Event(), list[str]()
        first, second, third = [asyncio.create_task(hold(slots, gate, order, name)) for name in "abc"]
        await turn()
        second.cancel()
        await turn()
        gate.set()
        await asyncio.gather(first, third)
        return order

    assert asyncio.run(main()) == ["a", "c"]


def test_one_who_gives_up_when_it_is_his_turn_passes_it_on() -> None:
    async def main() -> list[str]:
        slots, gate, order = Slots(1), asyncio.Event(), list[str]()
        await slots._take()
        second, third = [asyncio.create_task(hold(slots, gate, order, name)) for name in "bc"]
        await turn()
        slots._give()
        second.cancel()  # before it can know
        gate.set()
        await third
        return order

    assert asyncio.run(main()) == ["c"]


def test_a_loop_that_has_ended_keeps_no_place() -> None:
    slots = Slots(1)

    async def wait_and_leave() -> None:
        await slots._take()
        slots._waiting.append(asyncio.get_running_loop().create_future())

    asyncio.run(wait_and_leave())
    slots._give()
    asyncio.run(slots._take())
