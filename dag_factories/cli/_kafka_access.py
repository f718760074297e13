# SPDX-License-Identifier: Apache-2.0
"""Where Kafka is, for a person at a terminal: options, a file, a connection in the environment, the environment itself."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_dataops.core.errors import SpecError

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.probe import KafkaAccess
    from airflow_dataops.core.kafka_health.bastion import Bastion

_PREFIX = "KAFKA_"
_ALLOWLIST = "AIRFLOW__APACHE_KAFKA__CALLBACK_ALLOWLIST"


def access_of(arguments: argparse.Namespace, environ: Mapping[str, str] | None = None) -> KafkaAccess:
    """Return how to reach the cluster.

    Args:
        arguments: ``bootstrap``, ``config``, ``conn`` and ``ssh_conn``.
        environ: The environment; the process's when omitted.

    Raises:
        SpecError: The connection is not there (``SECRET_MISSING``), or nothing says where the brokers are (``USAGE``).
    """
    from airflow_dataops.clients.kafka_health.tokens import access_of as with_token
    from airflow_dataops.core.kafka_health.connection import read_connection

    source = os.environ if environ is None else environ
    found = {**settings_in(source), **_given(arguments, source)}
    if arguments.bootstrap:
        found["bootstrap.servers"] = arguments.bootstrap
    if not (found.get("bootstrap.servers") or found.get("metadata.broker.list")):
        hint = "write --bootstrap HOST:PORT, --config FILE or --conn ID, or set KAFKA_BOOTSTRAP_SERVERS"
        raise SpecError("nothing says where the brokers are", hint=hint, code="USAGE")
    allowed = [path.strip() for path in source.get(_ALLOWLIST, "").split(",")]
    access = with_token(read_connection("the connection", found, allowed))
    return access if arguments.ssh_conn is None else replace(access, bastion=_bastion(arguments.ssh_conn, source))


def settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that an environment holds: ``KAFKA_SASL_PASSWORD`` is ``sasl.password``."""
    from airflow_dataops.core.kafka_health.settings import taken

    named = {
        name.removeprefix(_PREFIX).lower().replace("_", "."): value
        for name, value in environ.items()
        if name.startswith(_PREFIX)
    }
    return taken(named)


def _given(arguments: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, Any]:
    if arguments.config:
        return settings_of_file(Path(arguments.config))
    if arguments.conn:
        return _of_uri(_connection(arguments.conn, environ)["extra"])
    return {}


def _bastion(conn_id: str, environ: Mapping[str, str]) -> Bastion:
    """Return the bastion of a connection of type ssh."""
    from airflow_dataops.core.kafka_health.bastion import read_bastion

    found = _connection(conn_id, environ)
    host, port, login, password = (found.get(name) for name in ("host", "port", "login", "password"))
    return read_bastion(f"the connection {conn_id}", host, port, login, password, _of_uri(found["extra"]))


def _connection(conn_id: str, environ: Mapping[str, str]) -> dict[str, Any]:
    from airflow_dataops.core.secrets import missing
    from airflow_dataops.jobs.secrets import connection_fields

    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    if not environ.get(name):
        raise missing(f"conn:{conn_id}", f"{name}, as JSON or a URI")
    return connection_fields(environ[name])


def _of_uri(extra: dict[str, Any]) -> dict[str, Any]:
    """Return a connection's extra; a URI may carry all of it as JSON, under Airflow's name ``__extra__``."""
    whole = extra.get("__extra__")
    return dict(json.loads(whole)) if isinstance(whole, str) else extra


def settings_of_file(path: Path) -> dict[str, Any]:
    """Return the settings of a file: a JSON object, or lines ``name=value`` with ``#`` before a comment.

    Raises:
        SpecError: It cannot be read, or a line is neither (``USAGE``). No value is repeated.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "write the path of a file with settings, such as bootstrap.servers=broker-1:9092"
        why = getattr(error, "strerror", None) or "it is no text"
        raise SpecError(f"{path} cannot be read: {why}", hint=hint, code="USAGE") from None
    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError:
            raise SpecError(f"{path} is no JSON", hint="look for a comma or a quote", code="USAGE") from None
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()  # noqa: PLW2901
        if not line or line.startswith(("#", "!")):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise SpecError(f"{path}, line {number} is no name=value", hint="write name=value", code="USAGE")
        found[name.strip()] = value.strip()
    return found


__all__ = ["access_of", "settings_in", "settings_of_file"]
