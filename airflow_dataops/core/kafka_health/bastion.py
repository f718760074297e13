# SPDX-License-Identifier: Apache-2.0
"""A bastion: the SSH server that alone reaches the brokers, and alone resolves their names.

Standard library only: the probe's process loads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_dataops.core.errors import SpecError

CODE = "KAFKA_BASTION"
PORT = 22
# Of Airflow's type ssh; what is no matter of a probe is left out: its ciphers, keep-alives and compression.
_TAKEN = ("host_key", "key_file", "look_for_keys", "no_host_key_check", "private_key", "private_key_passphrase")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


@dataclass(frozen=True)
class Bastion:
    """How to reach a bastion.

    Attributes:
        host: Its name or address.
        port: Of its SSH server.
        user: Who logs in; empty for whoever this process runs as.
        password: Theirs.
        private_key: Their key, as text.
        key_file: Path of it, where the check runs.
        passphrase: Of the key.
        look_for_keys: Whether keys of ``~/.ssh`` are tried where none is given.
        host_key: The server's public key, as a line of ``known_hosts`` has it without the host; empty for ``~/.ssh/known_hosts``.
        check_host_key: False takes any server for the bastion.
    """

    host: str
    port: int = PORT
    user: str = ""
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    key_file: str = ""
    passphrase: str = field(default="", repr=False)
    look_for_keys: bool = True
    host_key: str = ""
    check_host_key: bool = True

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}" if self.user else f"{self.host}:{self.port}"

    @property
    def secrets(self) -> list[str]:
        """What nobody may see."""
        return [secret for secret in (self.password, self.private_key, self.passphrase) if secret]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it, with its secrets."""
        return asdict(self)


def read_bastion(
    name: str, host: str | None, port: int | None, login: str | None, password: str | None, extra: Mapping[str, Any]
) -> Bastion:
    """Return what an Airflow connection of type ``ssh`` means.

    Unlike Airflow's SSH hook, which takes any server unless ``no_host_key_check`` is false, this takes one only whose key is known:
    whoever sits between could else read the passwords that the brokers are sent.

    Args:
        name: The connection, for messages.
        host: Of the server.
        port: Of the server; 22 when there is none.
        login: Who logs in.
        password: Theirs.
        extra: ``private_key`` or ``key_file``, ``private_key_passphrase``, ``host_key``, ``no_host_key_check``, ``look_for_keys``.

    Raises:
        SpecError: Something in it cannot be meant (``KAFKA_BASTION``). Values are not repeated.
    """
    if not host:
        raise SpecError(
            f"{name} has no host",
            hint="write the bastion's name or address as its host",
            code=CODE,
        )
    if extra.get("host_proxy_cmd"):
        hint = "name the last bastion, one that reaches the brokers by itself"
        raise SpecError(f"{name} has host_proxy_cmd: a way through two bastions is not built", hint=hint, code=CODE)
    if extra.get("private_key") and extra.get("key_file"):
        raise SpecError(f"{name} has private_key and key_file", hint="keep one of them in its extra", code=CODE)
    given = {key: extra[key] for key in _TAKEN if extra.get(key) not in (None, "")}
    return Bastion(
        host=host,
        port=port or PORT,
        user=login or "",
        password=password or "",
        private_key=_pem(_text(name, given, "private_key")),
        key_file=_text(name, given, "key_file"),
        passphrase=_text(name, given, "private_key_passphrase"),
        look_for_keys=_switch(name, given, "look_for_keys", otherwise=True),
        host_key=_host_key(name, _text(name, given, "host_key")),
        check_host_key=not _switch(name, given, "no_host_key_check", otherwise=False),
    )


def bastion_of(document: Mapping[str, Any] | None) -> Bastion | None:
    """Return what :meth:`Bastion.document` was made of."""
    return Bastion(**document) if document else None


def _text(name: str, given: Mapping[str, Any], key: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise SpecError(f"{key} of {name} is no text", hint=f'write {json.dumps(key)}: "…"', code=CODE)
    return value


def _switch(name: str, given: Mapping[str, Any], key: str, *, otherwise: bool) -> bool:
    word = str(given.get(key, otherwise)).strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise SpecError(f"{key} of {name} is neither true nor false", hint="write true or false", code=CODE)
    return word in _TRUE


def _pem(key: str) -> str:
    """Return a key whose line ends were escaped twice, as forms and shells do, with line ends again."""
    return key.replace("\\n", "\n") if "\n" not in key.strip() else key


def _host_key(name: str, key: str) -> str:
    """Return the key with its type before it; Airflow takes one without for RSA."""
    words = key.split()
    if not words:
        return ""
    if len(words) == 1:
        return f"ssh-rsa {words[0]}"
    if not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        hint = 'write "host_key": "ssh-ed25519 AAAA…"; ssh-keyscan prints it behind the host\'s name'
        raise SpecError(f"host_key of {name} is no public key", hint=hint, code=CODE)
    return " ".join(words[:2])


__all__ = ["CODE", "PORT", "Bastion", "bastion_of", "read_bastion"]
