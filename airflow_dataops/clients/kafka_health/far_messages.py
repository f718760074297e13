# SPDX-License-Identifier: Apache-2.0
"""Requests to brokers and what their answers say, in the messages of kafka-python. Loaded in a probe's process only.

Field names are those of Kafka's protocol, https://kafka.apache.org/protocol.html.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import kafka.errors
from kafka.protocol.admin import DescribeGroupsRequest
from kafka.protocol.api_message import ApiMessage
from kafka.protocol.consumer import ListOffsetsRequest, OffsetFetchRequest
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment
from kafka.protocol.metadata import FindCoordinatorRequest, MetadataRequest

from airflow_dataops.clients.kafka_health import messages
from airflow_dataops.clients.kafka_health.cluster import Commit, Described, End, Kind, member
from airflow_dataops.core.kafka_health.asking import COMMITTED, Key
from airflow_dataops.core.kafka_health.causes import Told

_EARLIEST, _LATEST = -2, -1
_LAST_WITH_NAMES = 9  # later versions of OffsetFetch have UUIDs of topics in their place
_GROUP = 0


class ConsumerGroupDescribeRequest(ApiMessage, load_json=messages):  # type: ignore[call-arg,misc]
    """KIP-848's description of a group."""


class ConsumerGroupDescribeResponse(ApiMessage, load_json=messages):  # type: ignore[call-arg,misc]
    """The answer."""


class GroupKind(NamedTuple):
    """Groups of a protocol.

    Attributes:
        ask: Groups -> the request.
        read: Answer -> group -> what it says.
    """

    ask: Callable[[Collection[str]], Any]
    read: Callable[[Any], dict[str, Described | Told]]


def error_of(code: int, message: str | None = None) -> Told | None:
    """Return the error of a code by its name in the protocol; None for 0."""
    if not code:
        return None
    kind = kafka.errors.for_code(code)
    return Told(getattr(kind, "message", None) or kind.__name__, message or getattr(kind, "description", "") or "")


def metadata(topics: Collection[str] | None) -> Any:
    """Return the request for topics; None for all."""
    asked = None if topics is None else [MetadataRequest.MetadataRequestTopic(name=name) for name in topics]
    return MetadataRequest(topics=asked, allow_auto_topic_creation=False, min_version=4, max_version=12)


def leaders(answer: Any) -> dict[Key, int]:
    """Return partition -> its leader; a negative number for none."""
    return {(topic.name, part.partition_index): part.leader_id for topic in answer.topics for part in topic.partitions}


def topic_ids(answer: Any) -> dict[str, str | Told]:
    """Return topic -> its UUID as librdkafka writes it, or why nothing is known of it; empty where the broker knows no UUIDs."""
    return {topic.name: error_of(topic.error_code) or _uuid(topic.topic_id) for topic in answer.topics}


def _uuid(found: Any) -> str:
    return base64.b64encode(found.bytes).decode().rstrip("=") if found is not None else ""


def find_coordinators(groups: Collection[str], version_of: Callable[[Any], int]) -> list[Any]:
    """Return the requests for the coordinators of groups: one from Kafka 3.0 on."""
    if version_of(FindCoordinatorRequest) >= 4:
        return [FindCoordinatorRequest(key_type=_GROUP, coordinator_keys=list(groups), min_version=4)]
    return [FindCoordinatorRequest(key=group, key_type=_GROUP, max_version=3) for group in groups]


def coordinators(answer: Any, asked: Any) -> dict[str, Any | Told]:
    """Return group -> its coordinator (``node_id``, ``host``, ``port``), or why there is none."""
    rows = [(row.key, row) for row in answer.coordinators] if answer.API_VERSION >= 4 else [(asked.key, answer)]
    return {group: error_of(row.error_code, row.error_message) or row for group, row in rows}


def offset_fetch(group: str, keys: Iterable[Key], version_of: Callable[[Any], int], *, stable: bool) -> Any:
    """Return the request for a group's commits: those that no open transaction may change, or those that are valid now."""
    numbers: dict[str, list[int]] = {}
    for topic, number in sorted(keys):
        numbers.setdefault(topic, []).append(number)
    if version_of(OffsetFetchRequest) < 8:
        one: Any = OffsetFetchRequest.OffsetFetchRequestTopic
        return OffsetFetchRequest(group_id=group, topics=_named(one, numbers), require_stable=stable, max_version=7)
    whole: Any = OffsetFetchRequest.OffsetFetchRequestGroup
    asked = whole(group_id=group, topics=_named(whole.OffsetFetchRequestTopics, numbers))
    return OffsetFetchRequest(groups=[asked], require_stable=stable, min_version=8, max_version=_LAST_WITH_NAMES)


def _named(kind: Any, numbers: Mapping[str, list[int]]) -> list[Any]:
    return [kind(name=topic, partition_indexes=some) for topic, some in numbers.items()]


def commits(answer: Any) -> dict[Key, Commit | Told] | Told:
    """Return partition -> its commit, or why it is not known; or why nothing is."""
    found = answer.groups[0] if answer.API_VERSION >= 8 else answer
    return error_of(found.error_code) or {
        (topic.name, part.partition_index): error_of(part.error_code)
        or Commit(max(-1, part.committed_offset), _epoch(part.committed_leader_epoch))
        for topic in found.topics
        for part in topic.partitions
    }


def list_offsets(kind: Kind, keys: Iterable[Key], now_ms: int) -> Any:
    """Return the request for a kind of offset of partitions that one broker leads."""
    ends = {"earliest": _EARLIEST, "latest": _LATEST}
    at = ends[kind.end] if kind.age_ms is None else max(0, now_ms - kind.age_ms)
    one: Any = ListOffsetsRequest.ListOffsetsTopic
    parts: dict[str, list[Any]] = {}
    for topic, number in keys:
        parts.setdefault(topic, []).append(one.ListOffsetsPartition(partition_index=number, timestamp=at))
    topics = [one(name=topic, partitions=some) for topic, some in parts.items()]
    level = 1 if kind.isolation == COMMITTED else 0
    return ListOffsetsRequest(isolation_level=level, topics=topics, min_version=2)


def ends(answer: Any) -> dict[Key, End | Told]:
    """Return partition -> offset, -1 where no record is young enough, or why it is not known."""
    return {
        (topic.name, part.partition_index): error_of(part.error_code) or End(part.offset, _epoch(part.leader_epoch))
        for topic in answer.topics
        for part in topic.partitions
    }


def _epoch(epoch: int | None) -> int | None:
    return epoch if epoch is not None and epoch >= 0 else None


def _new_groups(answer: Any) -> dict[str, Described | Told]:
    return {
        group.group_id: error_of(group.error_code, group.error_message)
        or Described(
            group.group_state,
            [member(one.member_id, one.client_id, one.client_host, _reads(one.assignment)) for one in group.members],
        )
        for group in answer.groups
    }


def _reads(assignment: Any) -> list[Key]:
    return [(topic.topic_name, number) for topic in assignment.topic_partitions for number in topic.partitions]


def _classic_groups(answer: Any) -> dict[str, Described | Told]:
    return {
        group.group_id: error_of(group.error_code, getattr(group, "error_message", None))
        or Described(
            group.group_state,
            [
                member(
                    one.member_id, one.client_id, one.client_host, _assigned(group.protocol_type, one.member_assignment)
                )
                for one in group.members
            ],
        )
        for group in answer.groups
    }


def _assigned(protocol: str, assignment: bytes | None) -> list[Key]:
    """Return what a member reads; nothing where its assignment is in another protocol's words, as Kafka Connect's."""
    if protocol != "consumer" or not assignment:
        return []
    try:
        found = ConsumerProtocolAssignment.decode(assignment)
    except (struct.error, ValueError, IndexError):
        return []
    return [(topic.topic, number) for topic in found.assigned_partitions for number in topic.partitions]


NEW_GROUPS = GroupKind(
    lambda groups: ConsumerGroupDescribeRequest(group_ids=list(groups), include_authorized_operations=False),
    _new_groups,
)
CLASSIC_GROUPS = GroupKind(
    lambda groups: DescribeGroupsRequest(groups=list(groups), include_authorized_operations=False), _classic_groups
)
