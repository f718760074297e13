# SPDX-License-Identifier: Apache-2.0
"""What is held of a body while it arrives."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("starlette", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")

from airflow_dataops.services.metadata_api.admission import Admission
from airflow_dataops.services.metadata_api.body import read_body
from airflow_dataops.services.metadata_api.refusals import Refused
from airflow_dataops.services.metadata_api.settings import Limits


def test_nothing_is_read_behind_the_end_of_a_compressed_body() -> None:
    taken = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal taken
        yield gzip.compress(b"{}")
        for _ in range(1000):
            taken += 1
            yield b"\0" * 1000

    async def read() -> bytes:
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        with Admission(Limits()).enter() as lease:
            return await read_body(headers, chunks(), lease, Limits())

    with pytest.raises(Refused) as refused:
        asyncio.run(read())
    assert (refused.value.status, refused.value.code, taken) == (422, "BAD_GZIP", 1)
