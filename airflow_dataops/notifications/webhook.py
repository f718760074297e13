# SPDX-License-Identifier: Apache-2.0
"""Tell it to an HTTP endpoint: a chat, a pager, a service of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, BaseNotifier

from airflow_dataops.notifications._message import message_of

if TYPE_CHECKING:
    from airflow_dataops.clients.webhook import Endpoint


class WebhookNotifier(BaseNotifier):
    """Post an alert as JSON. A busy or silent endpoint is asked again; what still fails is logged, and changes no task's state.

    Args:
        conn_id: Airflow connection of the endpoint: the host (with ``https://`` and path), a bearer token as password, further
            headers in the extra (``{"headers": {…}}``). A token belongs here and nowhere else.
        url: Address of an endpoint without secrets; instead of ``conn_id``.
        text_field: Name of a field that gets the whole alert as text beside the others: ``text`` is what most chats show.
        timeout: Seconds for each try.
        attempts: Number of tries.
        severity: ``critical``, ``warning`` or ``info``; what the pipeline says when omitted.
        message: The title; may hold Jinja.
    """

    template_fields: Sequence[str] = ("message",)

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        url: str | None = None,
        text_field: str = "text",
        timeout: float = 10.0,
        attempts: int = 3,
        severity: str | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.url = url
        self.text_field = text_field
        self.timeout = timeout
        self.attempts = attempts
        self.severity = severity
        self.message = message

    def notify(self, context: Any) -> None:
        """Post the alert.

        Raises:
            SpecError: Neither or both of ``conn_id`` and ``url`` are given, or no web address.
            StorageError: The endpoint did not take it.
        """
        from airflow_dataops.clients.webhook import post

        alert = message_of(context, self.severity, self.message)
        body = {**alert.model_dump(mode="json"), self.text_field: alert.as_text()}
        post(self._endpoint(), body, timeout=self.timeout, attempts=self.attempts)

    async def async_notify(self, context: Any) -> None:
        """Post the alert without blocking the event loop."""
        await asyncio.to_thread(self.notify, context)

    def _endpoint(self) -> Endpoint:
        from airflow_dataops.clients.webhook import Endpoint
        from airflow_dataops.core.errors import SpecError

        if (self.conn_id is None) == (self.url is None):
            raise SpecError(
                "a webhook takes conn_id or url, one of them", hint="write conn_id: pager", code="ALERT_ENDPOINT"
            )
        if self.url is not None:
            return Endpoint(self.url)
        connection = BaseHook.get_connection(str(self.conn_id))
        address = connection.host or ""
        if "://" not in address:
            port = f":{connection.port}" if connection.port else ""
            address = f"{connection.schema or 'https'}://{address}{port}"
        headers = dict(connection.extra_dejson.get("headers") or {})
        if connection.password:
            headers["Authorization"] = f"Bearer {connection.password}"
        return Endpoint(address, headers)


__all__ = ["WebhookNotifier"]
