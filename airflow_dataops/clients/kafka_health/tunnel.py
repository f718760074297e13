# SPDX-License-Identifier: Apache-2.0
"""An SSH connection to a bastion, and ways through it to brokers. Loaded in a probe's process only.

Each way is a pair of sockets inside this process: no port is opened that others on this machine could use. The bastion resolves the names,
and what it says about one that it cannot reach is kept.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from airflow_dataops.clients.kafka_health.budget import Budget
from airflow_dataops.clients.kafka_health.cluster import Unread
from airflow_dataops.core.kafka_health.bastion import Bastion
from airflow_dataops.core.kafka_health.causes import BASTION_REFUSED, BASTION_UNREACHABLE, Told

_CHUNK = 1 << 16
T = TypeVar("T")


class Tunnel:
    """Ways to brokers through a bastion. It lives as long as the process.

    Args:
        bastion: Where, and as whom.
        budget: Of the probe.

    Attributes:
        heard: Why brokers were not reached, oldest first.

    Raises:
        Unread: The bastion does not answer, or does not let the account in, or nobody knows its key.
    """

    def __init__(self, bastion: Bastion, budget: Budget) -> None:
        self._bastion = bastion
        self.heard: list[Told] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._connection = self._await(_connect(bastion, budget.share()))

    def way(self, host: str, port: int) -> socket.socket:
        """Return the near end of a way to a broker. Where the bastion does not reach it, that ends, and :attr:`heard` says why.

        Args:
            host: Its name, as the bastion knows it.
            port: Its port.
        """
        near, far = socket.socketpair()
        far.setblocking(False)
        asyncio.run_coroutine_threadsafe(self._carry(far, host, port), self._loop)
        return near

    async def _carry(self, far: socket.socket, host: str, port: int) -> None:
        import asyncssh

        reader, writer = await asyncio.open_connection(sock=far)
        try:
            theirs, ours = await self._connection.open_connection(host, port, encoding=None)
        except (asyncssh.Error, OSError) as error:
            said = f"the bastion {self._bastion} does not reach {host}:{port}: {_words(error)}"
            self.heard.append(Told(BASTION_UNREACHABLE, said))
            writer.close()
            return
        await asyncio.gather(_copy(reader, ours), _copy(theirs, writer))

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _copy(source: Any, sink: Any) -> None:
    """Carry bytes until one side ends, and tell the other."""
    import asyncssh

    with suppress(asyncssh.Error, OSError):
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
    with suppress(asyncssh.Error, OSError):
        sink.close()


async def _connect(bastion: Bastion, seconds: float) -> Any:
    try:
        import asyncssh
    except ImportError as error:
        install = "pip install 'airflow-dataops[kafka-bastion]'"
        said = f"asyncssh cannot be imported ({error}): {install}"
        raise Unread(Told("PROBE_NOT_INSTALLED", said)) from None
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)
    try:
        return await asyncssh.connect(**_options(asyncssh, bastion), connect_timeout=seconds, login_timeout=seconds)
    except asyncssh.HostKeyNotVerifiable as error:
        said = f"the bastion {bastion} is not known: {_words(error)}; write its public key into host_key of the SSH connection"
        raise Unread(Told(BASTION_REFUSED, said)) from None
    except asyncssh.PermissionDenied as error:
        raise Unread(
            Told(BASTION_REFUSED, f"the bastion {bastion} does not let the account in: {_words(error)}")
        ) from None
    except (asyncssh.Error, OSError) as error:
        raise Unread(Told(BASTION_UNREACHABLE, f"the bastion {bastion} does not answer: {_words(error)}")) from None


def _options(asyncssh: Any, bastion: Bastion) -> dict[str, Any]:
    """Return what asyncssh is told.

    Raises:
        Unread: A key is none, or cannot be opened.
    """
    options: dict[str, Any] = {"host": bastion.host, "port": bastion.port, "config": None, "agent_forwarding": False}
    if bastion.user:
        options["username"] = bastion.user
    if bastion.password:
        options["password"] = bastion.password
    try:
        if bastion.private_key or bastion.key_file:
            key = bastion.private_key or Path(bastion.key_file).expanduser().read_text(encoding="ascii")
            options["client_keys"] = [asyncssh.import_private_key(key, bastion.passphrase or None)]
        elif not bastion.look_for_keys or bastion.password:
            options |= {"client_keys": None, "agent_path": None}
        if not bastion.check_host_key:
            options["known_hosts"] = None
        elif bastion.host_key:
            options["known_hosts"] = ([asyncssh.import_public_key(bastion.host_key)], [], [])
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or _words(error)
        raise Unread(Told("PROBE_SETTINGS", f"a key of the SSH connection cannot be read: {why}")) from None
    return options


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", "")) or str(error) or type(error).__name__
