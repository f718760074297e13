# SPDX-License-Identifier: Apache-2.0
"""A bastion for tests: an SSH server on the loopback that carries connections on, and knows names that nobody else does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncssh

HOST = "127.0.0.1"


@dataclass
class Bastion:
    """What it knows, and what it was asked for.

    Attributes:
        names: Name -> address.
        passwords: User -> password.
        keys: User -> public key.
        logins: Users that tried to log in.
        asked: Where connections were asked to, as ``name:port``.
        port: Its port.
        host_key: Its public key, as ``known_hosts`` has it.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    port: int = 0
    host_key: str = ""
    open: list[Any] = field(default_factory=list)
    loop: Any = None

    def cut(self) -> None:
        """End all connections at once, as a machine does that dies."""
        self.loop.call_soon_threadsafe(lambda: [one.abort() for one in self.open])


class _Server(asyncssh.SSHServer):
    def __init__(self, bastion: Bastion) -> None:
        self._bastion = bastion
        self._connection: Any = None

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        self._bastion.open.append(conn)

    def begin_auth(self, username: str) -> bool:
        self._bastion.logins.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return bool(password) and self._bastion.passwords.get(username) == password

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        known = self._bastion.keys.get(username)
        return known is not None and asyncssh.import_public_key(known) == key

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        self._bastion.asked.append(f"{dest_host}:{dest_port}")
        return self._carried(dest_host, dest_port)

    async def _carried(self, host: str, port: int) -> Any:
        address = self._bastion.names.get(host)
        if address is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, f"Could not resolve hostname {host}")
        return await self._connection.forward_connection(address, port)


@contextmanager
def bastion(**known: Any) -> Iterator[Bastion]:
    """Start one, and end it.

    Args:
        known: Attributes of :class:`Bastion`.
    """
    found, loop = Bastion(**known), asyncio.new_event_loop()
    found.loop = loop
    key = asyncssh.generate_private_key("ssh-ed25519")
    found.host_key = key.export_public_key().decode().strip()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async def stop() -> None:
        server.close()
        for one in found.open:
            one.abort()
        await server.wait_closed()

    async def start() -> Any:
        return await asyncssh.create_server(lambda: _Server(found), HOST, 0, server_host_keys=[key])

    server = do(start())
    found.port = server.get_port()
    try:
        yield found
    finally:
        do(stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
