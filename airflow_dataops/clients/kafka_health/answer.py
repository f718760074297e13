# SPDX-License-Identifier: Apache-2.0
"""What was read of a group, and the document of it: a ``GroupSnapshot`` as JSON has it."""

from __future__ import annotations

from typing import Any

from airflow_dataops.clients.kafka_health.cluster import Commit, Described, End, Kind, Record, Waiting
from airflow_dataops.core.kafka_health.asking import COMMITTED, GroupAsk, Key
from airflow_dataops.core.kafka_health.causes import DENIED, NO_ANSWER, Told

EARLIEST = Kind(end="earliest")
LAST_STABLE = Kind(COMMITTED, end="latest")
HIGH_WATERMARK = Kind("read_uncommitted", end="latest")


class GroupReading:
    """What is known of a group so far.

    Args:
        ask: What was asked.
        taken_at_ms: When.

    Attributes:
        error: Why nothing could be read at all.
        commits: Partition -> its commit, or why it is not known.
        topics: Topic -> its UUID, or why nothing is known of it.
        partitions: What is told, sorted.
        ends: Kind -> partition -> offset, or why it is not known.
        records: Partition -> its first record after the commit.
    """

    def __init__(self, ask: GroupAsk, taken_at_ms: int) -> None:
        self.ask, self.taken_at_ms = ask, taken_at_ms
        self.error: Told | None = None
        self.commits: dict[Key, Commit | Told] = {}
        self.topics: dict[str, str | Told] = {}
        self.partitions: list[Key] = []
        self.ends: dict[Kind, dict[Key, End | Told]] = {}
        self.records: dict[Key, Record] = {}
        self._state: dict[str, Any] = {}
        self._reads: set[str] = set()

    def describe(self, found: Described | Told) -> None:
        """Take the group's description, or why there is none."""
        if isinstance(found, Told):
            # A broker from 4.0 on says so instead of calling the group dead.
            gone = found.code == "GROUP_ID_NOT_FOUND"
            self._state = {"state": "DEAD", "members": []} if gone else {"state_error": _error(found)}
            if found.code in DENIED:
                self.error = found  # the commits need the very same right
            return
        self._reads = {topic for member in found.members for topic in member["assigned"]}
        self._state = {"state": found.state, "members": found.members}

    def used(self) -> set[str]:
        """Return the topics that the group has commits for, and those that its members read."""
        with_commit = {key[0] for key, commit in self.commits.items() if isinstance(commit, Told) or commit.offset >= 0}
        return with_commit | self._reads

    def kinds(self) -> list[Kind]:
        """Return the kinds of offsets that are asked for."""
        ages = [Kind(self.ask.isolation, age) for age in self.ask.ages_ms]
        return [EARLIEST, LAST_STABLE, HIGH_WATERMARK, *ages]

    def lags(self) -> dict[Key, int]:
        """Return partition -> records between its commit and its end, where both are known."""
        known = {key: self._read_up_to(key) for key in self.partitions}
        return {key: found[1] - found[0] for key, found in known.items() if found is not None}

    def waiting(self, key: Key) -> Waiting:
        """Return where a record of a partition is looked for.

        Raises:
            KeyError: Its lag is not known.
        """
        found, first = self._read_up_to(key), self.ends[EARLIEST].get(key)
        if found is None:
            raise KeyError(key)
        return Waiting(max(found[0], first.offset) if isinstance(first, End) else found[0], found[1])

    def _read_up_to(self, key: Key) -> tuple[int, int] | None:
        """Return commit and end of a partition."""
        latest = LAST_STABLE if self.ask.isolation == COMMITTED else HIGH_WATERMARK
        commit, end = self.commits.get(key), self.ends.get(latest, {}).get(key)
        if isinstance(commit, Commit) and commit.offset >= 0 and isinstance(end, End):
            return commit.offset, end.offset
        return None

    def document(self) -> dict[str, Any]:
        """Return the snapshot."""
        head = {"schema_version": 1, "group": self.ask.group, "taken_at_ms": self.taken_at_ms}
        if self.error is not None:
            return {**head, **self._state, "error": _error(self.error)}
        return {
            **head,
            **self._state,
            "topics": [_topic(name, found) for name, found in self.topics.items()],
            "partitions": [self._partition(key) for key in self.partitions],
        }

    def _partition(self, key: Key) -> dict[str, Any]:
        commit = self.commits.get(key)
        offsets = {
            "log_start": self._offset(EARLIEST, key),
            "high_watermark": self._offset(HIGH_WATERMARK, key),
            "last_stable": self._offset(LAST_STABLE, key),
        }
        ages = {age: self._offset(Kind(self.ask.isolation, age), key) for age in self.ask.ages_ms}
        found: dict[str, Any] = {
            "topic": key[0],
            "partition": key[1],
            **_known(offsets),
            **_known({"leader_epoch": self._epoch(key)}),
            "younger": {str(age): offset for age, offset in ages.items() if offset is not None},
        }
        if isinstance(commit, Commit):
            found |= _known({"committed": commit.offset, "committed_epoch": commit.epoch})
        if key in self.records:
            record = self.records[key]
            found |= _known({"next_offset": record.offset, "next_at_ms": record.at_ms})
        wrong = [commit or Told(NO_ANSWER), *(self.ends[kind].get(key) for kind in (HIGH_WATERMARK, LAST_STABLE))]
        error = next((one for one in wrong if isinstance(one, Told)), None)
        return found if error is None else {**found, "error": _error(error)}

    def _offset(self, kind: Kind, key: Key) -> int | None:
        found = self.ends.get(kind, {}).get(key)
        return found.offset if isinstance(found, End) else None

    def _epoch(self, key: Key) -> int | None:
        found = self.ends.get(HIGH_WATERMARK, {}).get(key)
        return found.epoch if isinstance(found, End) else None


def _topic(name: str, found: str | Told) -> dict[str, Any]:
    return {"name": name, "error": _error(found)} if isinstance(found, Told) else {"name": name, "topic_id": found}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _error(error: Told) -> dict[str, str]:
    return {"code": error.code, "message": error.message}
