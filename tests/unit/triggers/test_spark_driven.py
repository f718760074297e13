# SPDX-License-Identifier: Apache-2.0
"""The driver's log in an event loop that hundreds of triggers share."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.log_cursor import LogCursor
from airflow_dataops.triggers._spark_driven import SparkListener

pytestmark = pytest.mark.airflow

LINES = [str(number) for number in range(1000)]


def listener(said: list[str]) -> SparkListener:
    client: Any = None
    return SparkListener(client, LogCursor(), said.append)


def test_others_have_their_turn_while_a_long_log_is_told() -> None:
    said: list[str] = []
    seen: list[int] = []

    async def others() -> None:
        while len(said) < len(LINES):
            seen.append(len(said))
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.create_task(others())
        await listener(said)._tell(LINES)
        await beside

    asyncio.run(both())
    assert said == LINES
    assert len(seen) > 5


def test_a_trigger_that_is_cancelled_leaves_no_line_untold() -> None:
    """The cursor is behind them already: the next process would not tell them."""
    said: list[str] = []

    async def cancelled() -> None:
        telling = asyncio.create_task(listener(said)._tell(LINES))
        await asyncio.sleep(0)
        telling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await telling

    asyncio.run(cancelled())
    assert said == LINES
