# SPDX-License-Identifier: Apache-2.0
"""Rows that Spark counts while it writes them, and whether the counts can be believed."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from airflow_dataops.core.sql.dialects import render

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession

# What Spark tells of a job comes after the job's end, in its turn; what was observed is there by then, or never comes.
_MILLISECONDS = 60_000
_SECONDS = 5.0
_GROUP, _DESCRIPTION = "spark.jobGroup.id", "spark.job.description"


class SparkAlong:
    """What is counted along a write; see :class:`~airflow_dataops.engines.base.Along`.

    Spark counts a row again where a task runs again whose rows go to other tasks: after a lost executor, or beside a slow copy of itself.
    Such counts are not given out.

    Args:
        spark: The job's session.
        name_view: Makes a view of a query, through a change of its frame.
    """

    def __init__(
        self,
        spark: SparkSession,
        name_view: Callable[[str, exp.Query, Callable[[DataFrame], DataFrame]], None],
    ) -> None:
        self._spark, self._name_view = spark, name_view
        self._seen: dict[str, Observation] = {}
        self._group: str | None = None

    def create_view(self, name: str, query: exp.Query, counts: Mapping[str, exp.Expression]) -> None:
        """See :class:`~airflow_dataops.engines.base.Along`."""
        from pyspark.sql import Observation
        from pyspark.sql.functions import expr

        seen = Observation(f"{name}_{uuid.uuid4().hex}")
        told = [expr(render(tree, "spark")).alias(alias) for alias, tree in counts.items()]
        self._name_view(name, query, lambda frame: frame.observe(seen, *told))
        self._seen[name] = seen

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Know the jobs that Spark runs meanwhile."""
        context = self._spark.sparkContext
        before = {name: context.getLocalProperty(name) for name in (_GROUP, _DESCRIPTION)}
        self._group = f"dataops-{uuid.uuid4().hex}"
        context.setLocalProperty(_GROUP, self._group)
        try:
            yield
        finally:
            for name, value in before.items():
                context.setLocalProperty(name, value)

    def counted(self) -> dict[str, dict[str, int]] | None:
        """See :class:`~airflow_dataops.engines.base.Along`."""
        group, self._group = self._group, None
        seen, self._seen = self._seen, {}
        if group is None or not ran_once(self._spark, group):
            return None
        found: dict[str, dict[str, int]] = {}
        for name, one in seen.items():
            told = _told(one)
            if told is None:
                return None
            found[name] = told
        return found


def ran_once(spark: SparkSession, group: str) -> bool:
    """Whether each task of a group of jobs ran once, and no other task made its rows again, as far as Spark still knows all of them.

    Args:
        spark: Session.
        group: Name of the group.
    """
    context: Any = spark.sparkContext
    try:
        context._jsc.sc().listenerBus().waitUntilEmpty(_MILLISECONDS)
        tracker, store = context.statusTracker(), context._jsc.sc().statusStore()
        jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
        if not jobs or any(job is None for job in jobs):
            return False
        stages = [store.lastStageAttempt(stage) for stage in {stage for job in jobs for stage in job.stageIds}]
        # A stage whose rows an earlier job has made is planned again, and skipped.
        ran = [stage for stage in stages if stage.status().toString() != "SKIPPED"]
        return all(map(_stage_ran_once, ran)) and _apart(ran)
    except Exception:  # noqa: BLE001 - Py4J's own errors: whatever it is, nobody knows
        return False


def _stage_ran_once(stage: Any) -> bool:
    tasks = stage.numTasks()
    odd = stage.attemptId() or stage.numFailedTasks() or stage.numKilledTasks() or stage.numActiveTasks()
    return bool(not odd and stage.numCompleteTasks() == tasks == stage.numCompletedIndices())


def _apart(stages: Sequence[Any]) -> bool:
    """Whether no two stages made the same rows.

    Where an executor is lost between two jobs of a query, the second one has a stage of its own for what is lost of the first one's
    rows, in which nothing looks odd.
    """
    made = [ids.apply(place) for ids in (stage.rddIds() for stage in stages) for place in range(ids.size())]
    return len(made) == len(set(made))


def _told(seen: Observation) -> dict[str, int] | None:
    """Return what was observed; None where Spark tells nothing, as of a part of a plan that it found it could do without."""
    found: list[dict[str, int]] = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # the application may be gone
            found.append({name: int(value) for name, value in seen.get.items()})

    # It waits for ever for what does not come.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_SECONDS)
    return found[0] if found else None
