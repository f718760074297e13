# SPDX-License-Identifier: Apache-2.0
"""Tell it by mail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, BaseNotifier

from airflow_dataops.notifications._message import message_of

if TYPE_CHECKING:
    from airflow_dataops.clients.mail import MailServer


class SmtpNotifier(BaseNotifier):
    """Mail an alert.

    Args:
        to: Address or addresses.
        conn_id: Airflow connection of the server, as Airflow's SMTP provider has it: host, port, login, password; extra
            ``from_email``, ``disable_ssl``, ``disable_tls``, ``timeout``.
        from_email: Sender; the connection's ``from_email``, else its login, when omitted.
        severity: ``critical``, ``warning`` or ``info``; what the pipeline says when omitted.
        message: The subject; may hold Jinja.
    """

    template_fields: Sequence[str] = ("message",)

    def __init__(
        self,
        *,
        to: str | Sequence[str],
        conn_id: str = "smtp_default",
        from_email: str | None = None,
        severity: str | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__()
        self.to = to
        self.conn_id = conn_id
        self.from_email = from_email
        self.severity = severity
        self.message = message

    def notify(self, context: Any) -> None:
        """Send the mail.

        Raises:
            SpecError: There is no sender, or an address is not one.
            StorageError: The server did not take it.
        """
        from airflow_dataops.clients.mail import send

        alert = message_of(context, self.severity, self.message)
        to = [self.to] if isinstance(self.to, str) else list(self.to)
        send(self._server(), to=to, subject=alert.title, text=alert.as_text())

    async def async_notify(self, context: Any) -> None:
        """Send the mail without blocking the event loop."""
        await asyncio.to_thread(self.notify, context)

    def _server(self) -> MailServer:
        from airflow_dataops.clients.mail import MailServer

        connection = BaseHook.get_connection(self.conn_id)
        extra = connection.extra_dejson
        ssl = not _truth(extra.get("disable_ssl"))
        return MailServer(
            host=connection.host or "localhost",
            port=connection.port or (465 if ssl else 587),
            sender=self.from_email or extra.get("from_email") or connection.login or "",
            login=connection.login or None,
            password=connection.password or None,
            ssl=ssl,
            starttls=not ssl and not _truth(extra.get("disable_tls")),
            timeout=float(extra.get("timeout") or 30),
        )


def _truth(value: Any) -> bool:
    return str(value).lower() in {"true", "1", "yes"}


__all__ = ["SmtpNotifier"]
