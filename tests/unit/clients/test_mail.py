# SPDX-License-Identifier: Apache-2.0
"""Mails, against a real SMTP server."""

from __future__ import annotations

import email
import socket
from collections.abc import Iterator
from email.message import Message
from email.policy import default
from typing import Any

import pytest

from airflow_dataops.clients.mail import MailServer, send
from airflow_dataops.core.errors import SpecError, StorageError

aiosmtpd = pytest.importorskip("aiosmtpd", reason="needs the SMTP server of the test group: pip install aiosmtpd")
from aiosmtpd.controller import Controller  # noqa: E402
from aiosmtpd.smtp import AuthResult  # noqa: E402


class Inbox:
    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.refuse = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return "554 no"
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 ok"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[MailServer]:
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"me", b"right"), handled=False)

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port, authenticator=check, auth_require_tls=False)
    controller.start()
    yield MailServer(host="127.0.0.1", port=port, sender="dataops@example.org", ssl=False, timeout=60)
    controller.stop()


def test_a_mail_arrives_whole(server: MailServer, inbox: Inbox) -> None:
    send(server, to=["a@example.org", "b@example.org"], subject="Flüge", text="Zeile 1\nZeile 2 — ü")
    [mail] = inbox.mails
    assert (mail["From"], mail["To"], mail["Subject"]) == (
        "dataops@example.org",
        "a@example.org, b@example.org",
        "Flüge",
    )
    assert mail.get_content().splitlines() == ["Zeile 1", "Zeile 2 — ü"]  # type: ignore[attr-defined]


def test_a_line_break_in_the_subject_adds_no_header(server: MailServer, inbox: Inbox) -> None:
    send(server, to=["a@example.org"], subject="x\nBcc: all@example.org", text="t")
    assert (inbox.mails[0]["Bcc"], inbox.mails[0]["Subject"]) == (None, "x Bcc: all@example.org")


@pytest.mark.parametrize("address", ["nobody", "a@b\nBcc: c@d", ""])
def test_what_is_no_address_is_refused(server: MailServer, address: str) -> None:
    with pytest.raises(SpecError):
        send(server, to=[address], subject="s", text="t")


def test_a_login_is_made(server: MailServer, inbox: Inbox) -> None:
    known = MailServer(**{**vars(server), "login": "me", "password": "right"})
    send(known, to=["a@example.org"], subject="s", text="t")
    assert len(inbox.mails) == 1


def test_a_wrong_password_is_told_and_not_shown(server: MailServer) -> None:
    wrong = MailServer(**{**vars(server), "login": "me", "password": "S3CR3T"})
    with pytest.raises(StorageError, match="535") as caught:
        send(wrong, to=["a@example.org"], subject="s", text="t")
    assert "S3CR3T" not in str(caught.value) + repr(wrong)


def test_a_server_that_refuses_is_told(server: MailServer, inbox: Inbox) -> None:
    inbox.refuse = True
    with pytest.raises(StorageError, match="554") as caught:
        send(server, to=["a@example.org"], subject="s", text="t")
    assert caught.value.code == "ALERT_NOT_SENT"


def test_a_server_that_cannot_encrypt_gets_nothing(server: MailServer, inbox: Inbox) -> None:
    with pytest.raises(StorageError):
        send(MailServer(**{**vars(server), "starttls": True}), to=["a@example.org"], subject="s", text="t")
    assert inbox.mails == []


def test_nobody_there() -> None:
    with pytest.raises(StorageError, match="refused"):
        send(MailServer("127.0.0.1", 1, "a@b.c", ssl=False), to=["a@b.c"], subject="s", text="t")
