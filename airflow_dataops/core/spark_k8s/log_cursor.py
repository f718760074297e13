# SPDX-License-Identifier: Apache-2.0
"""A container's log, read piece by piece through the Kubernetes API: each line once.

The API resumes by ``sinceTime``, which it cuts to whole seconds, and a node stamps the lines of stdout and stderr apart, so they are not in
the order of their times. What can be relied on: a log only grows at its end until the node rotates it, so two answers to the same ``since``
begin with the same lines. A cursor is therefore a ``since`` and the number of lines that have been told of an answer to it, with marks of
the first and the last of them, which show when a log was rotated or is another one. When all of an answer is told, ``since`` moves to a
second before the latest line, so that little is read again.

Sources: ``PodLogOptions`` of the core/v1 API; ``kubelet/kuberuntime/logs`` reads only the newest file of a rotated log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_dataops.core.model import Model
from airflow_dataops.core.pacing import Piece, cuts

OVERLAP = timedelta(seconds=1)  # lines may be stamped out of order by less than this
GAP = "(lines are missing here: the node rotated the log before they could be read)"
LOST = "(the log of an earlier start of this container is not kept by the cluster)"


class LogCursor(Model):
    """How far a pod's log has been told; part of what a trigger carries.

    Attributes:
        pod_uid: UID of the pod; empty where nothing has been read.
        instance: Id of the container, another one after each restart.
        since: Answers begin there: RFC 3339 in whole seconds; empty for the beginning.
        told: Lines of such an answer that have been told.
        first: Mark of the first of them.
        last: Mark of the last of them.
    """

    pod_uid: str = ""
    instance: str = ""
    since: str = ""
    told: int = 0
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class LogSource:
    """A container's log as a pod's status shows it.

    Attributes:
        pod: Name of the pod.
        uid: UID of the pod.
        container: Name of the container.
        instance: Id of the container whose log is the present one; empty where none has been started.
        previous: Id of the one before it, whose log is asked for with ``previous``; empty where there is none.
        ended: Nothing will be added to the present log.
    """

    pod: str
    uid: str
    container: str
    instance: str = ""
    previous: str = ""
    ended: bool = False


@dataclass(frozen=True)
class LogRead:
    """A log to read.

    Attributes:
        cursor: How far it has been told.
        previous: It is the one before the present one.
        ended: Nothing will be added to it.
        lost: There was another one between it and what was told before, and nobody has it any more.
    """

    cursor: LogCursor
    previous: bool = False
    ended: bool = False
    lost: bool = False


@dataclass(frozen=True)
class Told:
    """What an answer brought.

    Attributes:
        pieces: New lines, without their times, and where to go on behind each piece; the last one may be without a line.
        sure: The answer contains what was told last, so it is of the same container. Where it is not, and there are lines, the container
            may have been restarted since its status was read: look again before they are told.
        gap: Lines were told before, and none of them is there any more.
    """

    pieces: tuple[Piece[LogCursor], ...]
    sure: bool
    gap: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """All new lines."""
        return tuple(line for piece in self.pieces for line in piece.lines)

    @property
    def cursor(self) -> LogCursor:
        """Where to go on behind all of them."""
        return self.pieces[-1].cursor


def reads(cursor: LogCursor, source: LogSource) -> tuple[LogRead, ...]:
    """Return the logs to read, in this order: of an earlier start of the container first.

    Args:
        cursor: How far the pod's log has been told.
        source: What the pod's status shows now.
    """
    if not source.instance:
        return ()
    here = LogCursor(pod_uid=source.uid, instance=source.instance)
    if cursor.pod_uid == source.uid and cursor.instance == source.instance:
        return (LogRead(cursor, ended=source.ended),)
    fresh = LogRead(here, ended=source.ended)
    began = cursor.pod_uid == source.uid and cursor.instance != ""
    if not source.previous:
        return (LogRead(here, ended=source.ended, lost=began),)
    if began and cursor.instance == source.previous:
        return LogRead(cursor, previous=True, ended=True), fresh
    before = LogCursor(pod_uid=source.uid, instance=source.previous)
    return LogRead(before, previous=True, ended=True, lost=began), fresh


def tell(cursor: LogCursor, answer: bytes, *, ended: bool) -> Told:
    """Return what is new in an answer to ``timestamps=true&sinceTime=<cursor.since>``.

    Args:
        cursor: How far the log has been told.
        answer: The answer, or the beginning of it; a line that is not finished is left for later.
        ended: The answer is whole, and nothing will be added to the log: its last line is finished too.
    """
    lines = _lines(answer, ended)
    if not lines:
        return Told((Piece((), cursor),), sure=cursor.told > 0)
    marks_first = cursor.told > 0 and _mark(lines[0]) == cursor.first
    if marks_first and len(lines) < cursor.told:
        return Told((Piece((), cursor),), sure=True)  # the answer was cut before anything new
    begin, sure = _begin(cursor, lines, marks_first)
    return Told(tuple(_pieces(cursor, lines, begin)), sure=sure, gap=cursor.told > 0 and not sure)


def _pieces(cursor: LogCursor, lines: Sequence[bytes], begin: int) -> Iterator[Piece[LogCursor]]:
    """Cut the new lines into pieces: behind each but the last one it is still the same answer that is asked for."""
    texts = [_text(line) for line in lines[begin:]]
    told, first = 0, _mark(lines[0])
    for end in cuts(map(len, texts)):
        reached = begin + end
        changes = {"told": reached, "first": first, "last": _mark(lines[reached - 1])}
        behind = _moved(cursor, lines) if reached == len(lines) else cursor.model_copy(update=changes)
        yield Piece(tuple(texts[told:end]), behind)
        told = end


def _begin(cursor: LogCursor, lines: Sequence[bytes], marks_first: bool) -> tuple[int, bool]:
    """Return the number of the first new line, and whether that is sure."""
    if not cursor.told:
        return 0, False
    if marks_first and _mark(lines[cursor.told - 1]) == cursor.last:
        return cursor.told, True
    for number, line in enumerate(lines):
        if _mark(line) == cursor.last:
            return number + 1, True
    return 0, False


def _moved(cursor: LogCursor, lines: Sequence[bytes]) -> LogCursor:
    """Return the cursor behind all lines of an answer."""
    times = _times(lines)
    since, kept = cursor.since, list(lines)
    if times:
        wanted = (max(times) - OVERLAP).replace(microsecond=0)
        if not since or wanted > datetime.fromisoformat(since):
            since = wanted.strftime("%Y-%m-%dT%H:%M:%SZ")
            kept = [line for line, time in zip(lines, times, strict=True) if time >= wanted]
    changes = {"since": since, "told": len(kept), "first": _mark(kept[0]), "last": _mark(kept[-1])}
    return cursor.model_copy(update=changes)


def _times(lines: Sequence[bytes]) -> list[datetime]:
    """Return the time of each line, the one before it where it has none; nothing where no line has one."""
    found = [_time(line) for line in lines]
    known = next((time for time in found if time is not None), None)
    if known is None:
        return []
    times = []
    for time in found:
        known = known if time is None else time
        times.append(known)
    return times


def _lines(answer: bytes, ended: bool) -> list[bytes]:
    *whole, rest = answer.split(b"\n")
    return [*whole, rest] if ended and rest else whole


def _time(line: bytes) -> datetime | None:
    word = line.partition(b" ")[0]
    try:
        found = datetime.fromisoformat(word.decode("ascii"))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None and b"T" in word else None


def _text(line: bytes) -> str:
    text = line if _time(line) is None else line.partition(b" ")[2]
    return text.decode("utf-8", errors="replace").removesuffix("\r")


def _mark(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=8).hexdigest()
