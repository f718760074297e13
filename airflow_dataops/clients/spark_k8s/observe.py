# SPDX-License-Identifier: Apache-2.0
"""What a step asks to look at, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from airflow_dataops.clients.drive import seen_by
from airflow_dataops.clients.spark_k8s.convert import (
    application_view,
    event_view,
    executor_view,
    log_source,
    object_view,
    pod_view,
)
from airflow_dataops.clients.spark_k8s.wire import StreamError
from airflow_dataops.core.machine import CallError, Gone
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.log_cursor import LogSource
from airflow_dataops.core.spark_k8s.observation import (
    ApplicationView,
    EventView,
    ExecutorView,
    Look,
    ObjectView,
    Observation,
    PodView,
    Reply,
)
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import State

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.client import SparkKubeClient

TAIL_LINES, EXECUTOR_LINES = 400, 30
MOST_DEAD = 5
_PAGE = 500


class Observer:
    """Looks on behalf of a client.

    Attributes:
        sources: Name of a driver pod -> where its log was when it was last looked at.
    """

    def __init__(self, client: SparkKubeClient) -> None:
        self._client = client
        self.sources: dict[str, LogSource] = {}

    async def observe(self, run: RunParts, state: State, look: frozenset[Look], reply: Reply | None) -> Observation:
        """Look at everything that a step asks for; nothing is left running where one of the looks breaks or this is cancelled."""
        return Observation(reply=reply, **await seen_by(look, lambda one: self._look(one, run, state)))

    async def pages(self, kind: str, query: Mapping[str, str], *, group: str = "v1") -> list[Any] | CallError:
        """Return the documents of all pages of a list; an error of any page is the answer.

        Args:
            kind: Resource: ``pods``.
            query: Selectors.
            group: ``v1`` or ``<group>/<version>``.
        """
        found: list[Any] = []
        more = ""
        while True:
            asked = {**query, "limit": str(_PAGE), **({"continue": more} if more else {})}
            page = await self._client.get(kind, asked, group=group)
            if isinstance(page, Gone):
                return CallError("NOT_FOUND", f"the API server knows no {kind} of {group}")
            if isinstance(page, CallError):
                return page
            found += page.get("items") or []
            more = (page.get("metadata") or {}).get("continue") or ""
            if not more:
                return found

    def _look(self, look: Look, run: RunParts, state: State) -> Coroutine[Any, Any, Any]:
        ways: dict[Look, Callable[[], Coroutine[Any, Any, Any]]] = {
            Look.PODS: lambda: self._pods(state),
            Look.POD: lambda: self._pod(state),
            Look.APPLICATIONS: lambda: self._applications(run, state),
            Look.APPLICATION: lambda: self._application(run, state),
            Look.CONFIG: lambda: self._config(state),
            Look.EVENTS: lambda: self._events(state),
            Look.EXECUTORS: lambda: self._executors(state),
            Look.LOG_TAIL: lambda: self._log_tail(state),
        }
        return ways[look]()

    async def _pods(self, state: State) -> tuple[PodView, ...] | CallError:
        found = await self.pages("pods", _labelled(state, names.DRIVER))
        return found if isinstance(found, CallError) else tuple(map(self._seen, found))

    async def _pod(self, state: State) -> PodView | Gone | CallError:
        if not state.pod_name:
            return Gone()
        found = await self._client.get(f"pods/{state.pod_name}")
        return found if isinstance(found, Gone | CallError) else self._seen(found)

    def _seen(self, pod: Any) -> PodView:
        self.sources[pod["metadata"]["name"]] = log_source(pod)
        return pod_view(pod)

    async def _applications(self, run: RunParts, state: State) -> tuple[ApplicationView, ...] | CallError:
        query = {"labelSelector": names.selector(state.own)}
        found = await self.pages("sparkapplications", query, group=run.target.application_api)
        return found if isinstance(found, CallError) else tuple(map(application_view, found))

    async def _application(self, run: RunParts, state: State) -> ApplicationView | Gone | CallError:
        group = run.target.application_api
        found = await self._client.get(f"sparkapplications/{state.name}", group=group)
        return found if isinstance(found, Gone | CallError) else application_view(found)

    async def _config(self, state: State) -> ObjectView | Gone | CallError:
        found = await self._client.get(f"configmaps/{names.config_name(state.name)}")
        return found if isinstance(found, Gone | CallError) else object_view(found)

    async def _events(self, state: State) -> tuple[EventView, ...] | CallError:
        if not state.pod_name:
            return ()
        uid = f",involvedObject.uid={state.pod.uid}" if state.pod is not None else ""
        found = await self.pages("events", {"fieldSelector": f"involvedObject.name={state.pod_name}{uid}"})
        if isinstance(found, CallError):
            return found
        views = [event_view(event) for event in found]
        return tuple(sorted(views, key=lambda view: view.last.timestamp() if view.last else 0.0))

    async def _executors(self, state: State) -> tuple[ExecutorView, ...] | CallError:
        found = await self.pages("pods", _labelled(state, names.EXECUTOR))
        if isinstance(found, CallError):
            return found
        dead = [pod for pod in found if (pod.get("status") or {}).get("phase") == "Failed"][-MOST_DEAD:]
        tails = await asyncio.gather(*(self._tail(pod["metadata"]["name"], EXECUTOR_LINES) for pod in dead))
        lines = {
            pod["metadata"]["uid"]: tuple(tail.splitlines()) if isinstance(tail, str) else ()
            for pod, tail in zip(dead, tails, strict=True)
        }
        return tuple(executor_view(pod, lines.get(pod["metadata"]["uid"], ())) for pod in found)

    async def _log_tail(self, state: State) -> str | Gone | CallError:
        if not state.pod_name:
            return Gone()
        source = self.sources.get(state.pod_name)
        container = {"container": source.container} if source is not None else {}
        return await self._tail(state.pod_name, TAIL_LINES, **container)

    async def _tail(self, pod: str, lines: int, **query: str) -> str | Gone | CallError:
        stream = self._client.stream(f"pods/{pod}/log", {"tailLines": str(lines), **query})
        try:
            parts = [part async for part in stream]
        except StreamError as broken:
            # BAD_REQUEST: no container has been started.
            return Gone() if broken.error.code in ("NOT_FOUND", "BAD_REQUEST") else broken.error
        return b"".join(parts).decode("utf-8", errors="replace")


def _labelled(state: State, role: str) -> dict[str, str]:
    return {"labelSelector": names.selector({**state.own, names.ROLE: role})}
