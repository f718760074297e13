# SPDX-License-Identifier: Apache-2.0
"""One process that is asked something: told it once, heard line by line, and ended for certain."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress

from airflow_dataops.clients import drive
from airflow_dataops.clients.job_process import clean_environment
from airflow_dataops.core.kafka_health.probing import Ended

# An answer of 50,000 partitions is a fifth of that.
MOST_BYTES = 64 * 2**20
_WORDS = 4096
_CHUNK = 1 << 16
# Kerberos looks for these; all else that may hold a secret stays behind.
_KEPT = ("KRB5CCNAME", "KRB5_CONFIG", "KRB5_KTNAME")
OnLine = Callable[[bytes], None]


async def run(
    command: Sequence[str], request: bytes, on_line: OnLine, *, limit: asyncio.Timeout, most_bytes: int = MOST_BYTES
) -> Ended:
    """Run a process to its end, and return how it ended. When this returns, or is cancelled, the process is gone.

    Args:
        command: Its words; no secret is among them.
        request: One line for its standard input, which then stays open: its end would end the process.
        on_line: Called with each line of its standard output, also one that the process's end cut off.
        limit: It is killed when that is over.
        most_bytes: It is killed when it has written more.
    """
    environment = clean_environment(os.environ) | {name: os.environ[name] for name in _KEPT if name in os.environ}
    await drive.turn()  # the start of a process takes milliseconds, and several of them are asked for at once
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, env=environment
    )
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise RuntimeError("a pipe is missing")  # it is not: they were asked for
    words = bytearray()
    beside = [asyncio.ensure_future(_tell(stdin, request)), asyncio.ensure_future(_hear(stderr, words))]
    timed_out = fits = False
    try:
        async with limit:
            fits = await _lines(stdout, on_line, most_bytes)
            if fits:
                await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        await _end(process, [*beside, asyncio.ensure_future(_discard(stdout))])
    return Ended(
        code=process.returncode,
        timed_out=timed_out,
        overflowed=not fits and not timed_out,
        last_words=bytes(words).decode(errors="replace"),
    )


async def _tell(stdin: asyncio.StreamWriter, request: bytes) -> None:
    with suppress(ConnectionError):  # it ended, or does not listen: how it ends tells why
        stdin.write(request)
        await stdin.drain()


async def _hear(stderr: asyncio.StreamReader, words: bytearray) -> None:
    """Keep the end of what it says of itself."""
    while chunk := await stderr.read(_CHUNK):
        words += chunk
        del words[:-_WORDS]


async def _lines(stdout: asyncio.StreamReader, on_line: OnLine, most: int) -> bool:
    """Read its answers; returns False as soon as they are too many."""
    rest, seen = bytearray(), 0
    while chunk := await stdout.read(_CHUNK):
        seen += len(chunk)
        if seen > most:
            return False
        rest += chunk
        if b"\n" in chunk:
            *lines, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in lines:
                on_line(line)
                await asyncio.sleep(0)  # each may be long to read: others of the loop come in between
    if rest:
        on_line(bytes(rest))
    return True


async def _discard(stdout: asyncio.StreamReader) -> None:
    """Read on to the end: a pipe that is full keeps Python from seeing that its process is gone, and waiting for it would never end."""
    while await stdout.read(_CHUNK):
        pass


async def _end(process: Process, beside: Sequence[asyncio.Task[None]]) -> None:
    """Kill what still runs of it, and wait for its end, also where the caller is cancelled meanwhile."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    ending = asyncio.ensure_future(_reap(process, beside))
    cancelled = False
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _reap(process: Process, beside: Sequence[asyncio.Task[None]]) -> None:
    await process.wait()
    # What it said last is still in the pipe; nobody else has its other end.
    await asyncio.wait(beside, timeout=1)
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    if process.stdin is not None:
        process.stdin.close()
