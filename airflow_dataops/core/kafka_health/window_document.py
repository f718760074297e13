# SPDX-License-Identifier: Apache-2.0
"""A window as JSON, as small as it can be read back from: it is kept from run to run.

All times are one list, each but the first as the distance to the one before. Offsets are written the same way, without the zeros at the
end, so a partition in which nothing happens costs little more than its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any, Literal

from pydantic import ValidationError

from airflow_dataops.core.kafka_health.burrow import Sample
from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.window import Key, PartitionWindow, Window
from airflow_dataops.core.model import Model

VERSION = 1
# Looks by position in the list of times: a number n stands for the last n of them.
Positions = int | tuple[int, ...]


class PartitionDocument(Model):
    """A partition's part.

    Attributes:
        s: Times of its commits.
        o: Their offsets.
        w: Records that waited behind them; None where they are what the ends at these times say.
        e: Times of its ends.
        n: The end offsets.
        f: A commit, and the offset from which on something can be read behind it.
        a: Looks since it was last seen.
    """

    s: Positions = 0
    o: tuple[int, ...] = ()
    w: tuple[int | None, ...] | None = None
    e: Positions = 0
    n: tuple[int, ...] = ()
    f: tuple[int, int] | None = None
    a: int = 0


class WindowDocument(Model):
    """The whole.

    Attributes:
        v: Version of this form.
        t: Times in milliseconds.
        k: Positions of the looks.
        u: Positions of those that met a rebalance.
        i: Topic -> UUID.
        r: What the last look came to.
        p: Topic -> number -> partition.
    """

    v: Literal[1] = 1
    t: tuple[int, ...] = ()
    k: Positions = 0
    u: tuple[int, ...] = ()
    i: dict[str, str] = {}
    r: Severity | None = None
    p: dict[str, dict[int, PartitionDocument]] = {}


def dump(window: Window) -> dict[str, Any]:
    """Return a window as a JSON document."""
    times = sorted({*window.looks, *(at for one in window.partitions.values() for at in _times(one))})
    place = {at: position for position, at in enumerate(times)}
    parts: dict[str, dict[int, PartitionDocument]] = {}
    for (topic, number), one in sorted(window.partitions.items()):
        parts.setdefault(topic, {})[number] = _dump(one, place)
    document = WindowDocument(
        t=_steps(times),
        k=_positions(window.looks, place),
        u=tuple(place[at] for at, flag in zip(window.looks, window.unsettled, strict=True) if flag),
        i=dict(sorted(window.topic_ids.items())),
        r=window.severity,
        p=parts,
    )
    return {"v": VERSION, **document.model_dump(mode="json", exclude_defaults=True)}


def load(document: Any) -> Window | None:
    """Return the window that :func:`dump` wrote; None where it is of another version, or damaged: a window begins anew then."""
    try:
        found = WindowDocument.model_validate(document)
        return _window(found)
    except (ValidationError, ValueError, IndexError, RecursionError):
        return None


def _times(one: PartitionWindow) -> Iterable[int]:
    return (*(sample.timestamp_ms for sample in one.samples), *(at for at, _ in one.ends))


def _dump(one: PartitionWindow, place: dict[int, int]) -> PartitionDocument:
    lags = tuple(sample.lag for sample in one.samples)
    return PartitionDocument(
        s=_positions([sample.timestamp_ms for sample in one.samples], place),
        o=_short(_steps([sample.offset for sample in one.samples])),
        w=None if lags == _reckoned(one.samples, one.ends) else lags,
        e=_positions([at for at, _ in one.ends], place),
        n=_short(_steps([end for _, end in one.ends])),
        f=one.first,
        a=one.absent,
    )


def _window(found: WindowDocument) -> Window:
    times = list(accumulate(found.t))
    if times != sorted(set(times)):
        raise ValueError("times out of order")
    looks = _at(found.k, times)
    marked = {times[position] for position in found.u}
    parts: dict[Key, PartitionWindow] = {
        (topic, number): _partition(one, times) for topic, numbers in found.p.items() for number, one in numbers.items()
    }
    return Window(tuple(looks), tuple(at in marked for at in looks), found.i, parts, found.r)


def _partition(one: PartitionDocument, times: Sequence[int]) -> PartitionWindow:
    ends_at, made_at = _at(one.e, times), _at(one.s, times)
    ends = tuple(zip(ends_at, _long(one.n, len(ends_at)), strict=True))
    bare = tuple(Sample(offset, at, None) for at, offset in zip(made_at, _long(one.o, len(made_at)), strict=True))
    lags = _reckoned(bare, ends) if one.w is None else one.w
    samples = tuple(sample._replace(lag=lag) for sample, lag in zip(bare, lags, strict=True))
    return PartitionWindow(samples, ends, one.f, one.a)


def _reckoned(samples: Iterable[Sample], ends: Iterable[tuple[int, int]]) -> tuple[int | None, ...]:
    end = dict(ends)
    return tuple(max(0, end[one.timestamp_ms] - one.offset) if one.timestamp_ms in end else None for one in samples)


def _positions(times: Sequence[int], place: dict[int, int]) -> Positions:
    found = tuple(place[at] for at in times)
    return len(found) if found == tuple(range(len(place) - len(found), len(place))) else found


def _at(positions: Positions, times: Sequence[int]) -> Sequence[int]:
    if isinstance(positions, tuple):
        if any(position < 0 for position in positions):
            raise ValueError("negative position")
        return [times[position] for position in positions]
    if not 0 <= positions <= len(times):
        raise ValueError("more looks than times")
    return times[len(times) - positions :]


def _steps(numbers: Sequence[int]) -> tuple[int, ...]:
    return (*numbers[:1], *(after - before for before, after in pairwise(numbers)))


def _short(steps: tuple[int, ...]) -> tuple[int, ...]:
    end = len(steps)
    while end > 1 and steps[end - 1] == 0:
        end -= 1
    return steps[:end]


def _long(steps: Sequence[int], count: int) -> list[int]:
    if len(steps) > count or (count and not steps):
        raise ValueError("another number of offsets than of looks")
    return list(accumulate([*steps, *[0] * (count - len(steps))]))


__all__ = ["dump", "load"]
