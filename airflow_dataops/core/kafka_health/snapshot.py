# SPDX-License-Identifier: Apache-2.0
"""What a probe reads of a consumer group, in one document. It tells what Kafka said; what that means is for others to say.

Offsets are as Kafka gives them: -1 is its word for none, and any other negative one librdkafka's for an answer that never came.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.model import Model


class GroupState(StrEnum):
    """What the coordinator says of a group."""

    STABLE = "STABLE"
    REBALANCING = "REBALANCING"
    EMPTY = "EMPTY"  # commits, and no members
    DEAD = "DEAD"  # no such group
    UNKNOWN = "UNKNOWN"


_WORDS = {
    **{state.value: state for state in GroupState},
    **dict.fromkeys(
        ("PREPARINGREBALANCE", "PREPARINGREBALANCING", "COMPLETINGREBALANCE", "COMPLETINGREBALANCING"),
        GroupState.REBALANCING,
    ),
    **dict.fromkeys(("ASSIGNING", "RECONCILING"), GroupState.REBALANCING),  # KIP-848
}


def _state(word: Any) -> Any:
    letters = "".join(letter for letter in str(word).upper() if letter.isalpha())
    return _WORDS.get(letters, GroupState.UNKNOWN)


State = Annotated[GroupState, BeforeValidator(_state)]
"""A group's state, from any client's word for it (``PreparingRebalance``, ``PREPARING_REBALANCING``); else ``UNKNOWN``."""


class ReadError(Model):
    """Why something could not be read.

    Attributes:
        code: Kafka's or librdkafka's name of the error (``TOPIC_AUTHORIZATION_FAILED``, ``_TRANSPORT``), or a probe's own code.
        message: In words. Never a secret.
    """

    code: str
    message: str = ""


class MemberView(Model):
    """A member of the group.

    Attributes:
        member_id: Its id.
        client_id: Name that its program gave itself.
        host: Where it runs.
        assigned: Topic -> partitions that it reads.
    """

    member_id: str
    client_id: str = ""
    host: str = ""
    assigned: dict[str, tuple[int, ...]] = {}


class TopicView(Model):
    """A topic.

    Attributes:
        name: Its name.
        topic_id: Its UUID, another one after it was made anew; None where the broker tells none.
        error: Why nothing is known of it; ``UNKNOWN_TOPIC_OR_PART`` where it is not there.
    """

    name: str
    topic_id: str | None = None
    error: ReadError | None = None

    @property
    def missing(self) -> bool:
        """True where the broker itself says that there is no such topic."""
        return self.error is not None and self.error.code in ("UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_OR_PARTITION")


class PartitionView(Model):
    """A partition as the group and its leader show it; None for what was not read. The commit is read before the ends.

    Attributes:
        topic: Its topic.
        partition: Its number.
        committed: Committed offset; negative where there is no commit.
        committed_epoch: Leader epoch of the commit.
        log_start: Offset of the first record that is kept.
        high_watermark: Offset behind the last record.
        last_stable: Offset behind the last record that no open transaction holds back.
        leader_epoch: Epoch of the leader now.
        next_offset: Offset of the first record at or after the commit that can be read; -1 where there is none before the end: what lies
            there are transaction markers, aborted records, or what compaction left. None where nobody looked.
        next_at_ms: Timestamp of that record.
        end_at_ms: Timestamp of the newest record.
        younger: Age in milliseconds -> offset of the first record that is at most so old; -1 where all are older.
        error: Why offsets are missing, or not to be trusted.
    """

    topic: str
    partition: int
    committed: int | None = None
    committed_epoch: int | None = None
    log_start: int | None = None
    high_watermark: int | None = None
    last_stable: int | None = None
    leader_epoch: int | None = None
    next_offset: int | None = None
    next_at_ms: int | None = None
    end_at_ms: int | None = None
    younger: dict[int, int] = {}
    error: ReadError | None = None


class GroupSnapshot(Model):
    """All that was read of a group at one look.

    Attributes:
        schema_version: Of this document.
        group: The group.
        taken_at_ms: When.
        state: Its state.
        state_error: Why state and members could not be read.
        members: Its members; None where they were not read.
        topics: The topics that were asked for, and those of its partitions.
        partitions: Partitions that it has commits for, or that belong to the topics asked for; each once.
        error: Why nothing could be read at all.

    Raises:
        pydantic.ValidationError: A partition or a topic is there twice, or a value of the wrong type.
    """

    schema_version: Literal[1] = 1
    group: str
    taken_at_ms: int
    state: State = GroupState.UNKNOWN
    state_error: ReadError | None = None
    members: tuple[MemberView, ...] | None = None
    topics: tuple[TopicView, ...] = ()
    partitions: tuple[PartitionView, ...] = ()
    error: ReadError | None = None

    @model_validator(mode="after")
    def _has_each_once(self) -> GroupSnapshot:
        named = Counter(f"{view.topic}-{view.partition}" for view in self.partitions)
        named.update(f"topic {view.name}" for view in self.topics)
        twice = sorted(name for name, count in named.items() if count > 1)
        if twice:
            raise PydanticCustomError("twice", "{names}: each may be there once", {"names": ", ".join(twice[:5])})
        return self

    @property
    def at(self) -> GroupState:
        """State of the group; one that the client has no word for, and that has members, is in a rebalance (KIP-848)."""
        if self.state_error is not None:
            return GroupState.UNKNOWN
        return GroupState.REBALANCING if self.state is GroupState.UNKNOWN and self.members else self.state

    @property
    def gone(self) -> bool:
        """True where the coordinator says that the group has no members, so that nobody commits."""
        return self.at in (GroupState.EMPTY, GroupState.DEAD)


def unread(group: str, taken_at_ms: int, code: str, message: str = "") -> GroupSnapshot:
    """Return the snapshot of a look at which nothing could be read: the probe crashed, was killed, or found no broker."""
    return GroupSnapshot(group=group, taken_at_ms=taken_at_ms, error=ReadError(code=code, message=message))


def read_snapshot(group: str, taken_at_ms: int, document: Any) -> GroupSnapshot:
    """Return what a probe answered; never raises: what is not its document is a snapshot of ``PROBE_GARBAGE``.

    Args:
        group: The group that was asked for; another one's document is garbage.
        taken_at_ms: When, for a snapshot of garbage.
        document: The JSON value that the probe left.
    """
    try:
        found = GroupSnapshot.model_validate(document)
    except (ValidationError, RecursionError) as error:
        told = error.errors(include_input=False, include_url=False) if isinstance(error, ValidationError) else []
        why = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in told[:3])
        return unread(group, taken_at_ms, Code.PROBE_GARBAGE, why or "no document")
    if found.group != group:
        return unread(group, taken_at_ms, Code.PROBE_GARBAGE, f"the answer is about group {found.group!r}")
    return found


__all__ = [
    "GroupSnapshot",
    "GroupState",
    "MemberView",
    "PartitionView",
    "ReadError",
    "TopicView",
    "read_snapshot",
    "unread",
]
