# SPDX-License-Identifier: Apache-2.0
"""Spark on Kubernetes, driven in a task or a trigger: the machine's steps, and the driver's log, line by line."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from airflow_dataops.triggers._driven import Driven, Listener

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from airflow_dataops.core.spark_k8s.log_cursor import LogCursor
    from airflow_dataops.core.spark_k8s.spec import RunParts
    from airflow_dataops.core.spark_k8s.state import Outcome, State
    from airflow_dataops.core.spark_k8s.turn import Step

_SECONDS_BETWEEN_KEEPS = 60.0  # a triggerer that is killed tells no more than that twice
_LINES_AT_ONCE = 100
_MOST_READS = 50  # of one step: 4 MiB each


class SparkListener(Listener["Step"]):
    """Hears every step.

    Args:
        client: Reads the driver's log.
        cursor: How far the log has been told by earlier processes of this try.
        say: Takes a line for the task's log.
        keep: Takes, beside the event loop, how far the log has been told; None where nobody needs it.
    """

    def __init__(
        self,
        client: SparkKubeClient,
        cursor: LogCursor,
        say: Callable[[str], None],
        keep: Callable[[LogCursor], None] | None = None,
    ) -> None:
        from airflow_dataops.clients.spark_k8s.pod_log import PodLog

        super().__init__(say)
        self._client, self._keep = client, keep
        self._log = PodLog(client, cursor)
        self._kept, self._kept_at = cursor, -math.inf

    @property
    def cursor(self) -> LogCursor:
        """How far the log has been told."""
        return self._log.cursor

    async def stream(self, step: Step) -> None:
        """Tell what the driver has written since the last step; all of it where it has ended."""
        from airflow_dataops.core.spark_k8s.state import Phase

        state = step.state
        if not state.pod_name or not state.uid or state.phase in (Phase.FIND, Phase.CREATE):
            return
        source = self._client.source(state.pod_name)
        if source is None:
            return
        for _ in range(_MOST_READS):
            lines = await self._log.lines(state.pod_name, source)
            await self._tell(lines)
            if not lines or state.ended is None:
                break
        if state.ended is None and asyncio.get_running_loop().time() - self._kept_at >= _SECONDS_BETWEEN_KEEPS:
            await self.aclose()

    async def _tell(self, lines: Iterable[str]) -> None:
        """Tell lines, a few at a time: hundreds of triggers share the event loop. A trigger that is cancelled tells the rest at once."""
        rest = iter(lines)
        try:
            for number, line in enumerate(rest, 1):
                self._say(line)
                if number % _LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        finally:
            for line in rest:
                self._say(line)

    async def aclose(self) -> None:
        """Keep how far the log has been told, so that the next process goes on behind it."""
        if self._keep is not None and self.cursor != self._kept:
            self._kept, self._kept_at = self.cursor, asyncio.get_running_loop().time()
            await asyncio.to_thread(self._keep, self.cursor)


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
            self.client, cursor or LogCursor(), lambda line: say(hide(line, self._secrets)), keep
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
