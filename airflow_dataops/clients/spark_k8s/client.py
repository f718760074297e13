# SPDX-License-Identifier: Apache-2.0
"""Kubernetes as the machine of ``core/spark_k8s`` wants it: send a call once, look at things, read a log."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from airflow_dataops.clients.google import off_loop
from airflow_dataops.clients.spark_k8s.convert import application_view, pod_view
from airflow_dataops.clients.spark_k8s.documents import DELETES, document_of, resource_of, values_of
from airflow_dataops.clients.spark_k8s.observe import Observer
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.clients.spark_k8s.wire import DEADLINE, Wire
from airflow_dataops.core.errors import DataOpsError, MissingDependency, SpecError
from airflow_dataops.core.machine import Accepted, CallError, Gone
from airflow_dataops.core.spark_k8s.answers import call_error
from airflow_dataops.core.spark_k8s.log_cursor import LogSource
from airflow_dataops.core.spark_k8s.observation import Look, Observation, Reply
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import CallKind, State
from airflow_dataops.core.spark_k8s.turn import Call

CORE = "v1"
Secrets = Callable[[Mapping[str, str]], Mapping[str, str]]


class SparkKubeClient:
    """All requests of one run, operator or command. It can be used from several event loops; close it in each of them.

    Args:
        settings: As whom, and where. Clients with equal settings share a token, and all clients of an event loop its connections.
        secrets: Names of variables -> references of their values, to the same names -> values; called beside the event loop, and only
            where a run has such variables. None refuses them.

    Attributes:
        settings: As given.
        calls: Method and resource (``GET pods``) -> how often it was sent.
        deadline: Seconds within which a request has to be answered; shorter where the process has seconds to live.
    """

    def __init__(self, settings: KubeSettings, *, secrets: Secrets | None = None) -> None:
        self.settings = settings
        self._secrets = secrets
        self.calls: Counter[str] = Counter()
        self.deadline = DEADLINE
        self._wire = Wire(settings)
        self._observer = Observer(self)

    async def send(self, run: RunParts, state: State, call: Call) -> Reply:
        """Send a call that changes something, exactly once, and return its answer; an error is an answer too.

        Args:
            run: What is wanted.
            state: The step's state.
            call: The step's action.

        Raises:
            MissingDependency: What is needed to reach Kubernetes is not installed.
        """
        kind, group = resource_of(run, call)
        if call.kind in DELETES:
            return await self.delete(kind, call.name, uid=call.uid, group=group)
        document = document_of(run, state.identity, call)
        if call.kind is CallKind.CREATE_SECRET:
            filled = await self._filled(document, values_of(run, state.identity, call))
            if isinstance(filled, CallError):
                return filled
            document = filled
        return await self.create(kind, document, group=group)

    async def observe(self, run: RunParts, state: State, look: frozenset[Look], reply: Reply | None) -> Observation:
        """Look at everything that a step asks for, at once.

        Args:
            run: What is wanted.
            state: The step's state.
            look: What to look at; nothing for an observation of the reply alone.
            reply: The answer to the step's call.

        Raises:
            MissingDependency: What is needed to reach Kubernetes is not installed.
        """
        return await self._observer.observe(run, state, look, reply)

    def source(self, pod: str) -> LogSource | None:
        """Return where a driver pod's log was when it was last looked at, for :class:`PodLog`; None where nobody has looked."""
        return self._observer.sources.get(pod)

    async def get(self, path: str, query: Mapping[str, str] | None = None, *, group: str = CORE) -> Any:
        """Return a document of the namespace; :class:`Gone` where there is none, :class:`CallError` where that cannot be told.

        Args:
            path: ``pods/NAME``, or ``pods`` for a list.
            query: Parameters.
            group: ``v1`` or ``<group>/<version>``.
        """
        found = await self._send("GET", path, group, query=query)
        return Gone() if isinstance(found, CallError) and found.code == "NOT_FOUND" else found

    async def pages(self, kind: str, query: Mapping[str, str], *, group: str = CORE) -> list[Any] | CallError:
        """Return the documents of all pages of a list; an error of any page is the answer, ``NOT_FOUND`` of a kind that is not known.

        Args:
            kind: Resource: ``pods``.
            query: Selectors.
            group: ``v1`` or ``<group>/<version>``.
        """
        return await self._observer.pages(kind, query, group=group)

    async def create(self, kind: str, document: Mapping[str, Any], *, group: str = CORE) -> Reply:
        """Create an object of the namespace, by one request.

        Args:
            kind: Resource: ``pods``.
            document: The object.
            group: ``v1`` or ``<group>/<version>``.

        Returns:
            The view of a pod or SparkApplication, :class:`Accepted` for any other object, or the error.
        """
        # What a definition in the cluster does not have would be dropped without a word: a whole pod template, say.
        query = {"fieldValidation": "Strict"} if kind == "sparkapplications" else None
        found = await self._send("POST", kind, group, query=query, body=document)
        if isinstance(found, CallError):
            return found
        return (
            pod_view(found)
            if kind == "pods"
            else application_view(found)
            if kind == "sparkapplications"
            else Accepted()
        )

    async def delete(self, kind: str, name: str, *, uid: str, grace: int | None = None, group: str = CORE) -> Reply:
        """Delete an object of the namespace, by one request; what it owns follows by itself.

        Args:
            kind: Resource: ``pods``.
            name: Its name.
            uid: UID that it must have: another one of this name is ``CONFLICT``.
            grace: Seconds between SIGTERM and SIGKILL of a pod; None for its own.
            group: ``v1`` or ``<group>/<version>``.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        options |= {"preconditions": {"uid": uid}} | ({} if grace is None else {"gracePeriodSeconds": grace})
        found = await self._send("DELETE", f"{kind}/{name}", group, body=options)
        return found if isinstance(found, CallError) else Accepted()

    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Yield an answer that is a text, piece by piece.

        Raises:
            StreamError: It failed, or broke off.
        """
        self._count("GET", path)
        async for part in self._wire.stream(self._path(path, CORE), query=query, deadline=self.deadline):
            yield part

    async def review(self, path: str, document: Mapping[str, Any], *, group: str) -> Any:
        """Send a review (``selfsubjectaccessreviews``), which belongs to no namespace and changes nothing, and return its answer."""
        self._count("POST", path)
        return await self._wire.request("POST", f"/apis/{group}/{path}", body=document, deadline=self.deadline)

    async def aclose(self) -> None:
        """Let go of the connections of this event loop."""
        await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _filled(self, secret: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any] | CallError:
        """Return a Secret with its values; what keeps them back is an answer like the API server's, and never shows one."""
        try:
            found = await off_loop(_no_secrets if self._secrets is None else self._secrets, wanted)
            data = {name: b64encode(found[name].encode()).decode() for name in wanted}
        except MissingDependency:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is that looks secrets up
            text = error.message if isinstance(error, DataOpsError) else type(error).__name__
            return call_error(400, f"a secret of {', '.join(sorted(wanted))} cannot be had: {text}")
        return {**secret, "data": data}

    async def _send(
        self, method: str, path: str, group: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        self._count(method, path)
        return await self._wire.request(method, self._path(path, group), query=query, body=body, deadline=self.deadline)

    def _path(self, path: str, group: str) -> str:
        base = f"/apis/{group}" if "/" in group else f"/api/{group}"
        return f"{base}/namespaces/{self.settings.namespace}/{path}"

    def _count(self, method: str, path: str) -> None:
        kind, *rest = path.split("/")
        self.calls[f"{method} {kind}/log" if rest[1:] == ["log"] else f"{method} {kind}"] += 1


def _no_secrets(wanted: Mapping[str, str]) -> Mapping[str, str]:
    raise SpecError(f"nobody here can look up {', '.join(sorted(wanted.values()))}")


__all__ = ["SparkKubeClient"]
