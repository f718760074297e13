# SPDX-License-Identifier: Apache-2.0
"""Send a mail through an SMTP server."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

from airflow_dataops.core.errors import SpecError, StorageError


@dataclass(frozen=True)
class MailServer:
    """A server and how to talk to it.

    Attributes:
        host: Name.
        port: Port.
        sender: Address that mails come from.
        login: User name; None logs nobody in.
        password: Password.
        ssl: Encrypted from the start.
        starttls: Encrypted after the greeting; a server that cannot is refused.
        timeout: Seconds for each answer.
    """

    host: str
    port: int
    sender: str
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    ssl: bool = True
    starttls: bool = False
    timeout: float = 30.0


def send(server: MailServer, *, to: Sequence[str], subject: str, text: str) -> None:
    """Send one mail.

    Raises:
        SpecError: Sender or receiver is no address (``ALERT_ENDPOINT``).
        StorageError: The server did not take it (``ALERT_NOT_SENT``).
    """
    for address in (server.sender, *to):
        if "@" not in address or any(char in address for char in "\r\n"):
            raise SpecError(
                f"{address!r} is no mail address",
                hint="set to, and from_email or the connection's from_email",
                code="ALERT_ENDPOINT",
            )
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = server.sender, ", ".join(to), " ".join(subject.split())
    mail.set_content(text)
    try:
        with _connect(server) as client:
            if server.login and server.password:
                client.login(server.login, server.password)
            client.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise StorageError(
            f"the mail server {server.host}:{server.port} did not take the alert: {error}", code="ALERT_NOT_SENT"
        ) from error


def _connect(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.ssl:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=context)
    client = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
    if server.starttls:
        try:
            client.starttls(context=context)
        except smtplib.SMTPException:
            client.close()
            raise
    return client


__all__ = ["MailServer", "send"]
