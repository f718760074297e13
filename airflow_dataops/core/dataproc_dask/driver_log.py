# SPDX-License-Identifier: Apache-2.0
"""The driver's output, which Dataproc writes as growing parts in a bucket: each line once, whatever is missing for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from airflow_dataops.core.model import Model
from airflow_dataops.core.pacing import Piece, cuts

LARGEST_READ = 1 << 20
PATIENCE = 3


class LogCursor(Model):
    """How far the output has been told; part of what a trigger carries.

    Attributes:
        part: Number of the part that is read.
        offset: Bytes of it that have been told.
        missed: Looks at which this part was missing although a later one is there.
        tail: The beginning of a line that a closed part ended with, its bytes as latin-1.
    """

    part: int = 0
    offset: int = 0
    missed: int = 0
    tail: str = ""


@dataclass(frozen=True)
class LogRead:
    """A range to read.

    Attributes:
        part: Which part.
        start: First byte.
        size: Number of bytes.
        closed: Nothing will be added to the part after them.
        last: Nothing will be added to the output after them.
    """

    part: int
    start: int
    size: int
    closed: bool
    last: bool


def part_uri(base: str, part: int) -> str:
    """Return the object of a part; ``base`` is the job's ``driver_output_resource_uri``."""
    return f"{base}.{part:09d}"


def part_of(base: str, uri: str) -> int | None:
    """Return the number of a part; None where ``uri`` is none."""
    number = uri.removeprefix(f"{base}.")
    return int(number) if uri != number and len(number) == 9 and number.isdigit() else None


def next_read(cursor: LogCursor, sizes: Mapping[int, int], *, ended: bool) -> tuple[LogRead | None, LogCursor]:
    """Return what to read next, and the cursor to read it with; None where there is nothing new.

    Args:
        cursor: How far it has been told.
        sizes: Part -> size in bytes, as the bucket lists them now. An empty mapping where it cannot be listed.
        ended: The job has ended, so nothing will be added to the last part.
    """
    later = [part for part in sizes if part > cursor.part]
    if cursor.part not in sizes:
        if not later:
            return None, cursor
        if cursor.missed < PATIENCE and not ended:
            return None, cursor.model_copy(update={"missed": cursor.missed + 1})
        return next_read(LogCursor(part=min(later), tail=cursor.tail), sizes, ended=ended)
    size = sizes[cursor.part] - cursor.offset
    if size > 0:
        wanted = min(size, LARGEST_READ)
        whole = wanted == size
        return LogRead(
            cursor.part, cursor.offset, wanted, whole and (bool(later) or ended), whole and ended and not later
        ), cursor
    if later:
        return next_read(LogCursor(part=cursor.part + 1, tail=cursor.tail), sizes, ended=ended)
    return None, cursor


def told(cursor: LogCursor, read: LogRead, data: bytes) -> tuple[list[str], LogCursor]:
    """Return the whole lines of what was read, and the cursor behind them.

    A line that is not finished yet is read again when it has grown, so that no line is cut. One longer than a read is told in pieces.

    Args:
        cursor: The cursor that :func:`next_read` returned.
        read: What was read.
        data: Its bytes; fewer than asked for are fine.
    """
    end = data.rfind(b"\n") + 1
    complete = len(data) == read.size
    if (read.last and complete) or (not end and len(data) + len(cursor.tail) >= LARGEST_READ):
        end = len(data)
    head = cursor.tail.encode("latin-1") if end else b""
    lines = (head + data[:end]).decode("utf-8", errors="replace").splitlines()
    if read.closed and complete:
        tail = ("" if end else cursor.tail) + data[end:].decode("latin-1")
        return lines, cursor.model_copy(update={"offset": read.start + len(data), "missed": 0, "tail": tail})
    return lines, cursor.model_copy(
        update={"offset": read.start + end, "missed": 0, "tail": "" if end else cursor.tail}
    )


def pieces(cursor: LogCursor, read: LogRead, data: bytes) -> Iterator[Piece[LogCursor]]:
    """Return the same in pieces, with the cursor behind each; the last one may be without a line.

    Args:
        cursor: The cursor that :func:`next_read` returned.
        read: What was read.
        data: Its bytes.
    """
    *whole, unfinished = data.split(b"\n")
    lines = [line + b"\n" for line in whole] + ([unfinished] if unfinished else [])
    begun, left = 0, read.size
    for end in cuts(map(len, lines)):
        piece, begun = b"".join(lines[begun:end]), end
        size = left if end == len(lines) else len(piece)
        part = replace(read, start=read.start + read.size - left, size=size)
        left -= size
        found, cursor = told(cursor, part if not left else replace(part, closed=False, last=False), piece)
        yield Piece(tuple(found), cursor)


def rest(cursor: LogCursor) -> list[str]:
    """Return the last line where it was cut by the end of a part and nothing came after: told when the job has ended and all is read."""
    return cursor.tail.encode("latin-1").decode("utf-8", errors="replace").splitlines()
