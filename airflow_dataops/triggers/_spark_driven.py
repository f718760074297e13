# SPDX-License-Identifier: Apache-2.0
"""Spark on Kubernetes, driven in a task or a trigger: the machine's steps, and the driver's log, line by line."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from airflow_dataops.core.spark_k8s.log_rest import Rest, rest_of
from airflow_dataops.core.spark_k8s.state import Phase
from airflow_dataops.triggers._driven import SECONDS_TO_TELL, SECONDS_TO_TELL_ALL, UNTOLD, Driven, Listener

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from airflow_dataops.core.spark_k8s.log_cursor import LogCursor
    from airflow_dataops.core.spark_k8s.spec import RunParts
    from airflow_dataops.core.spark_k8s.state import Outcome, State
    from airflow_dataops.core.spark_k8s.turn import Step
    from airflow_dataops.triggers._log_budget import LogBudget

# What is said takes its time through a triggerer's pipe, and dies in it with the triggerer: kept is what was said so long ago.
_SECONDS_TO_BE_WRITTEN = 60.0
_MOST_READS = 50  # of one step: 4 MiB each on a worker
_LARGEST_READ = 256 << 10  # of a trigger: hundreds of them may wait with what they have read
_MOST_TRIES = 4
_SECONDS_BETWEEN_TRIES = 2.0


class SparkListener(Listener["Step"]):
    """Hears every step.

    Args:
        client: Reads the driver's log.
        cursor: How far the log has been told by earlier processes of this try.
        say: Takes a line for the task's log.
        keep: Takes, beside the event loop, how far the log has been told; None where nobody needs it.
        budget: In a trigger, what all of this process may write together. It leaves the last lines to the task then.
    """

    def __init__(
        self,
        client: SparkKubeClient,
        cursor: LogCursor,
        say: Callable[[str], None],
        keep: Callable[[LogCursor], None] | None = None,
        budget: LogBudget | None = None,
    ) -> None:
        from airflow_dataops.clients.spark_k8s.pod_log import LARGEST_READ, PodLog

        super().__init__(say, budget)
        self._client, self._keep = client, keep
        self._log = PodLog(client, cursor, largest=LARGEST_READ if budget is None else _LARGEST_READ)
        self._kept = self._noted = cursor
        self._noted_at = time.monotonic()
        self._ended = self._told_whole = ""  # pods

    @property
    def cursor(self) -> LogCursor:
        """How far the log has been told."""
        return self._log.cursor

    def left(self, state: State) -> LogCursor | None:
        """Return how far the log has been told, where the rest is for the task; None where there is no such rest."""
        if rest_of(state) is not Rest.TASK or state.pod is None or self._told_whole == state.pod_name:
            return None
        return self.cursor

    async def stream(self, step: Step) -> None:
        """Tell what the driver has written since the last step; all of it where it has ended, unless that is for the task."""
        state = step.state
        rest = Rest.NONE if self._budget is None else rest_of(state)
        if rest is Rest.OPEN:
            self._ended = state.pod_name
        elif rest is Rest.HERE:
            await self._tell_whole(self._ended or state.pod_name)
        elif rest is Rest.NONE and state.pod_name and state.uid and state.phase not in (Phase.FIND, Phase.CREATE):
            until = time.monotonic() + SECONDS_TO_TELL
            await self._tell(state.pod_name, until, all_of_it=state.ended is not None)
            if state.ended is None and time.monotonic() - self._noted_at >= _SECONDS_TO_BE_WRITTEN:
                noted, self._noted, self._noted_at = self._noted, self.cursor, time.monotonic()
                await self._keep_it(noted)

    async def tell_rest(self, pod: str) -> None:
        """Tell what a driver that has ended has written behind the cursor; what hinders that is told too."""
        for number in range(_MOST_TRIES):
            if number:
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            while await self.tell(self._log, await self._log.pieces(pod), math.inf):
                pass
            if not self._log.troubled:
                break
        if self._log.gone:
            self._say(f"(what driver {pod} has written last is gone with it, and was not told)")
        elif self._log.troubled:
            self._say(f"(what driver {pod} has written last cannot be read, and is not told)")

    async def _tell_whole(self, pod: str) -> None:
        if self._told_whole == pod:
            return
        await self._tell(pod, time.monotonic() + SECONDS_TO_TELL_ALL, all_of_it=True)
        if self.behind:
            self._say(UNTOLD)
        self._told_whole, self._ended = pod, ""

    async def _tell(self, pod: str, until: float, *, all_of_it: bool) -> None:
        source = self._client.source(pod)
        if source is None:
            return
        for _ in range(_MOST_READS):
            told = await self.tell(self._log, await self._log.pieces(pod, source), until)
            if not told or self.behind or not all_of_it:
                break

    async def aclose(self) -> None:
        """Keep how far the log has been told, so that the next process goes on behind it."""
        await self._keep_it(self.cursor)

    async def _keep_it(self, cursor: LogCursor) -> None:
        if self._keep is not None and cursor != self._kept:
            self._kept = cursor
            await asyncio.to_thread(self._keep, cursor)


class SparkDriven(Driven["Step"]):
    """One run of Spark.

    What this process knows of secrets is kept out of all that is told: lines, results, messages.

    Args:
        settings: Where Kubernetes is, and as whom it is asked.
        run: What is wanted.
        say: Takes a line for the task's log.
        secrets: Values of the run's own secrets, as far as they are known here.
        cursor: How far the log has been told.
        keep: Takes, beside the event loop, how far it has been told.
        budget: In a trigger, what all of this process may write together.
    """

    def __init__(
        self,
        settings: KubeSettings,
        run: RunParts,
        say: Callable[[str], None],
        *,
        secrets: Collection[str],
        cursor: LogCursor | None = None,
        keep: Callable[[LogCursor], None] | None = None,
        budget: LogBudget | None = None,
    ) -> None:
        # All that the event loop will need is loaded here, beside it.
        import airflow_dataops.clients.spark_k8s.drive  # noqa: F401
        from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
        from airflow_dataops.core.secrets import hide
        from airflow_dataops.core.spark_k8s.log_cursor import LogCursor

        self._run = run
        self._secrets = secrets
        self.client = SparkKubeClient(settings, secrets=_looked_up)
        self.listener: SparkListener = SparkListener(
            self.client, cursor or LogCursor(), lambda line: say(hide(line, self._secrets)), keep, budget
        )

    async def drive(self, step: Step, until: Callable[[Step], bool] | None = None) -> Step:
        """Perform steps until the run is over, or until ``until`` says so; returns the last one."""
        from airflow_dataops.clients.spark_k8s.drive import drive

        return await drive(self.client, self._run, step, hear=self.listener, until=until)

    def resume(self, state: State) -> Step:
        """Return the first step after a state that another process had."""
        from airflow_dataops.clients.drive import utcnow
        from airflow_dataops.core.spark_k8s.lifecycle import resume

        return resume(self._run, state, utcnow())

    def stop(self, state: State, why: str) -> Step:
        """Return the first step of ending the run now."""
        from airflow_dataops.clients.drive import utcnow
        from airflow_dataops.core.spark_k8s.lifecycle import stop

        return stop(self._run, state, utcnow(), why=why, wait=False)

    async def tell_rest(self, pod: str) -> None:
        """Tell what a driver that has ended has written behind the cursor, and let go of the connections."""
        try:
            await self.listener.tell_rest(pod)
        finally:
            await self.aclose()

    def outcome(self, state: State) -> Outcome:
        """Return how the run ended, with no secret that is known here."""
        from airflow_dataops.core.secrets import hide_in
        from airflow_dataops.core.spark_k8s.state import Outcome

        found = (state.outcome or Outcome()).model_dump(mode="json")
        return Outcome.model_validate(hide_in(found, self._secrets))

    async def leave_loop(self) -> None:
        """Let go of this event loop's connections."""
        await self.client.aclose()

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self.client.aclose()


def _looked_up(wanted: Mapping[str, str]) -> Mapping[str, str]:
    """Return variable -> value, of variable -> reference."""
    from airflow_dataops.hooks._secrets import lookup_secrets

    values = lookup_secrets(set(wanted.values()))
    return {name: values[reference] for name, reference in wanted.items()}


def secrets_of(run: RunParts) -> list[str]:
    """Return the values of the run's own secrets, and hide them in the logs of this process.

    Raises:
        SpecError: One is not set (``SECRET_MISSING``).
    """
    from airflow_dataops.hooks._secrets import lookup_secrets

    return list(lookup_secrets({source for source in run.app.secret_env.values() if isinstance(source, str)}).values())


def secrets_if_known(run: RunParts) -> list[str]:
    """Return the same where all can be had; else none, since what is under way needs none of them any more."""
    from airflow_dataops.core.errors import DataOpsError

    try:
        return secrets_of(run)
    except DataOpsError:
        return []


__all__ = ["SparkDriven", "SparkListener", "secrets_if_known", "secrets_of"]
