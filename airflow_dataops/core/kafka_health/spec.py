# SPDX-License-Identifier: Apache-2.0
"""What a user asks for: which group, what of it may be, and how often somebody looks.

The types say what a value is; :mod:`~airflow_dataops.core.kafka_health.rules` says which values go together.
:class:`~airflow_dataops.core.kafka_health.check.HealthCheck` is all of it, checked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from airflow_dataops.core.durations import Duration
from airflow_dataops.core.kafka_health.asking import covered
from airflow_dataops.core.kafka_health.forms import WILD, Asked, Count, Names, Switch, Word, one_of

Policy = Annotated[Literal["strict", "burrow"], one_of("strict", "burrow")]
Isolation = Annotated[
    Literal["read_committed", "read_uncommitted"],
    one_of("read_committed", "read_uncommitted"),
]
OnUnknown = Annotated[Literal["fail", "warn", "skip"], one_of("fail", "warn", "skip")]


class Limits(Asked):
    """From which number of records on it is a finding: more than so many.

    Attributes:
        warning: A warning; None for none.
        critical: Critical; None never.
    """

    warning: Count | None = None
    critical: Count | None = None


class DelayLimits(Asked):
    """From which age of a waiting record on it is a finding: older than that.

    Attributes:
        warning: A warning; None for none.
        critical: Critical; None never.
    """

    warning: Duration | None = None
    critical: Duration | None = None


class CheckParts(Asked):
    """All that is asked for, well typed, with no rule looked at.

    Attributes:
        group: The consumer group.
        topics: Names, which have to be there, or patterns with ``*`` and ``?``; empty for all that the group has commits for.
        exclude_topics: Names and patterns of those that are left out.
        policy: ``burrow``: the rules of LinkedIn's Burrow. ``strict``: these and what they cannot see.
        isolation: Where the log ends for the group's consumers: ``read_committed`` at the last record that no open transaction holds back.
        allowed_lag: Most records that may wait in a partition without being looked at.
        lag: Limits of each partition's lag.
        total_lag: Limits of the lag of all partitions together, what is allowed in each included.
        delay: Limits of how long the first waiting record of a partition has waited.
        require_members: Whether records may wait only while the group has members; false for one that reads now and then.
        require_commits: Whether the group must have committed where there are records; false for one that is yet to begin.
        rebalance_looks: At so many looks of a window the group may be in a rebalance; its trends are not judged then.
        on_unknown: What a task does where the answer is not known: ``fail`` (another try follows), ``warn`` or ``skip``.
        looks: How often one task looks.
        interval: Time between two of these looks; each starts a process of its own.
        window: Looks that are remembered.
        min_distance: Looks nearer to each other than that count as one.
        timeout: Longest time of one look.
        worst: Partitions that are told one by one.
        peek: Partitions at a look of which the first waiting record is read.
    """

    group: Word
    topics: Names = ()
    exclude_topics: Names = ()
    policy: Policy = "strict"
    isolation: Isolation = "read_committed"
    allowed_lag: Count = 0
    lag: Limits = Limits()
    total_lag: Limits = Limits()
    delay: DelayLimits = DelayLimits(warning=timedelta(minutes=5))
    require_members: Switch = True
    require_commits: Switch = True
    rebalance_looks: Count = 3
    on_unknown: OnUnknown = "fail"
    looks: Count = 1
    interval: Duration = timedelta(minutes=1)
    window: Count = 10
    min_distance: Duration = timedelta(seconds=10)
    timeout: Duration = timedelta(seconds=30)
    worst: Count = 10
    peek: Count = 100

    @property
    def strict(self) -> bool:
        """True where more is looked for than Burrow sees."""
        return self.policy == "strict"

    @property
    def named(self) -> tuple[str, ...]:
        """Topics that are named in full, and so have to be there."""
        return tuple(name for name in self.topics if WILD.search(name) is None)

    @property
    def ages_ms(self) -> tuple[int, ...]:
        """Ages in milliseconds for which a probe asks each partition's first record that is younger; see ``PartitionView.younger``."""
        if not self.strict:
            return ()
        given = {milliseconds(age) for age in (self.delay.warning, self.delay.critical) if age is not None}
        return tuple(sorted(given))

    def covers(self, topic: str) -> bool:
        """Tell whether a topic is looked at."""
        return covered(topic, self.topics, self.exclude_topics)


def milliseconds(length: timedelta) -> int:
    """Return a length in whole milliseconds."""
    return length // timedelta(milliseconds=1)


__all__ = ["CheckParts", "DelayLimits", "Limits"]
