# SPDX-License-Identifier: Apache-2.0
"""Dead letters go back to their topic after a fix, each once: what was gone over is committed for the group of the replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from airflow_dataops.clients.metadata.ports import EventLog, Publisher
from airflow_dataops.core.errors import InputError, TransientError
from airflow_dataops.core.metadata.dead_letter import Outgoing, Record, from_wire, is_cut, sent_back
from airflow_dataops.core.metadata.drain import Bounds, PartitionId, check, plan, remaining
from airflow_dataops.core.metadata.faults import Reason
from airflow_dataops.jobs.metadata.burying import send_all

_RECORDS, _SIZE, _SECONDS, _QUIET = 500, 64 << 20, 1.0, 120


@dataclass(frozen=True)
class Choice:
    """Which dead letters go back.

    Attributes:
        reasons: Of these reasons; empty for all.
        since: That failed at this time or later, milliseconds since 1970.
        limit: At most so many; what comes after the last one is left for the next time.
        topic: Where to; None: where each first came from.
        dry: Only count.
    """

    reasons: frozenset[Reason] = frozenset()
    since: int = 0
    limit: int | None = None
    topic: str | None = None
    dry: bool = False


@dataclass
class Replayed:
    """What a replay has done.

    Attributes:
        sent: Letters that went back, by reason.
        passed: Letters that were not chosen, by reason; they are not looked at again, unless the group's offsets are reset.
        cut: Letters without their original, which cannot go back: their records are in the archive.
        foreign: Records that are no dead letters of ours.
        too_large: Letters that their topic refuses.
        left: Offsets that were not come to, because of the limit.
        lost: Offsets that were deleted before anybody came to them: at most so many letters, whose records are in the archive.
    """

    sent: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    foreign: int = 0
    too_large: int = 0
    left: int = 0
    lost: int = 0


def replay(
    log: EventLog, publisher: Publisher, choice: Choice, *, tell: Callable[[Replayed], None] = lambda _: None
) -> Replayed:
    """Send dead letters back, and commit how far they were gone over once the brokers have acknowledged all that was sent.

    Who is killed in between sends some of them again, which changes nothing in store and archive. Letters that come while it runs are left
    for the next time: a letter that dies again at once does not go round in circles.

    Args:
        log: The topic of dead letters, as a group of the replay's own.
        publisher: Sends them.
        choice: Which ones.
        tell: Hears of the progress.

    Raises:
        InputError: The topic was made anew, and this group has read another one of its name (``TOPIC_REPLACED``).
        GroupInUse: The group has members.
        TransientError: A broker does not answer; what was acknowledged by then is committed.
    """
    found = plan(log.offsets())
    check(found, accept_loss=True)
    done = Replayed(lost=sum(one.lost for one in found.values()))
    bounds = {partition: one for partition, one in found.items() if one.has_work}
    at = {partition: one.begin for partition, one in bounds.items()}
    reading: Collection[PartitionId] = ()
    quiet = 0
    while (left := remaining(bounds, at)) and not _is_full(done, choice):
        if left.keys() != reading:
            log.assign({partition: at[partition] for partition in left})
            reading = set(left)
        moved = _round(log, publisher, choice, done, {partition: bounds[partition] for partition in left}, at)
        quiet = 0 if moved else quiet + 1
        if quiet > _QUIET:
            raise TransientError("no dead letter came for long", hint="is the broker up?", code="DRAIN_STALLED")
        tell(done)
    done.left = sum(remaining(bounds, at).values())
    return done


def _round(
    log: EventLog,
    publisher: Publisher,
    choice: Choice,
    done: Replayed,
    bounds: Mapping[PartitionId, Bounds],
    at: dict[PartitionId, int],
) -> bool:
    """Read some letters, send those that are chosen, and commit; tells whether any partition has moved."""
    fetched = log.poll(records=_RECORDS, size=_SIZE, seconds=_SECONDS)
    news = {p: bounds[p].commit(position) for p, position in fetched.positions.items() if p in bounds}
    chosen: list[tuple[Outgoing, str]] = []
    for partition in sorted(news):
        for record in fetched.records.get(partition, ()):
            if bounds[partition].holds(record.offset) and _is_full(done, choice, len(chosen)):
                news[partition] = min(news[partition], record.offset)  # this one is for the next time
            elif bounds[partition].holds(record.offset):
                chosen += _chosen(record, choice, done)
    _send(publisher, chosen, choice, done)
    moved = {partition: position for partition, position in news.items() if position != at[partition]}
    if moved and not choice.dry:
        log.commit(moved)
    at.update(moved)
    return bool(moved)


def _is_full(done: Replayed, choice: Choice, more: int = 0) -> bool:
    return choice.limit is not None and done.sent.total() + done.too_large + more >= choice.limit


def _chosen(record: Record, choice: Choice, done: Replayed) -> list[tuple[Outgoing, str]]:
    try:
        letter = from_wire(record)
    except InputError:
        done.foreign += 1
        return []
    if is_cut(record):
        done.cut += 1
        return []
    if (choice.reasons and letter.reason not in choice.reasons) or letter.failed < choice.since:
        done.passed[letter.reason.value] += 1
        return []
    return [(sent_back(letter, choice.topic), letter.reason.value)]


def _send(publisher: Publisher, chosen: list[tuple[Outgoing, str]], choice: Choice, done: Replayed) -> None:
    refused = [None] * len(chosen) if choice.dry else send_all(publisher, [one for one, _ in chosen])
    for (_, reason), error in zip(chosen, refused, strict=True):
        if error is None:
            done.sent[reason] += 1
        else:
            done.too_large += 1


__all__ = ["Choice", "Replayed", "replay"]
