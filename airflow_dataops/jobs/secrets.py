# SPDX-License-Identifier: Apache-2.0
"""Secrets of a job that runs without Airflow: from environment variables named as Airflow names them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_dataops.core import secrets as names
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.tables import JobSpec


def from_environment(spec: JobSpec, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Look up every secret that a spec refers to.

    A task that sends a job elsewhere may give each a variable of its own, see :func:`~airflow_dataops.core.secrets.variable_of`. Else
    ``env:NAME`` is read from ``NAME``, ``var:NAME`` from ``AIRFLOW_VAR_NAME``, ``conn:ID.field`` from ``AIRFLOW_CONN_ID`` (JSON or URI).

    Args:
        spec: The job's spec.
        environ: The environment; the process's own when omitted.

    Returns:
        Reference -> value.

    Raises:
        SpecError: One is not set (``SECRET_MISSING``) or is not readable.
    """
    source = os.environ if environ is None else environ
    return {name: lookup(name, source) for name in names.references(spec.model_dump(mode="json"))}


def connection_fields(text: str) -> dict[str, Any]:
    """Read a connection as Airflow writes it into ``AIRFLOW_CONN_<ID>``: JSON, or a URI.

    Returns:
        Field -> value, ``extra`` as a dict, ``uri`` only for a URI.

    Raises:
        SpecError: It is neither (``SECRET_CONNECTION``). The text itself is not repeated.
    """
    broken = SpecError(
        "a connection is neither JSON nor a URI", hint="see Airflow's AIRFLOW_CONN_<ID>", code="SECRET_CONNECTION"
    )
    if text.lstrip().startswith("{"):
        try:
            fields = json.loads(text)
            extra = fields.get("extra") or {}
            fields["extra"] = json.loads(extra) if isinstance(extra, str) else extra
        except ValueError:
            raise broken from None
        return dict(fields)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise broken from None
    if not parts.scheme:
        raise broken
    return {
        "host": unquote(parts.hostname) if parts.hostname else None,
        "login": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "port": port,
        "schema": unquote(parts.path.lstrip("/")) or None,
        "extra": dict(parse_qsl(parts.query, keep_blank_values=True)),
        "uri": text,
    }


def lookup(name: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what ``env:NAME``, ``var:NAME`` or ``conn:ID.field`` stands for.

    Raises:
        SpecError: It is not set (``SECRET_MISSING``) or is not readable.
    """
    source = os.environ if environ is None else environ
    if (given := source.get(names.variable_of(name))) is not None:
        return given
    parsed = names.parse(name)
    prefix = {"env": "", "var": "AIRFLOW_VAR_", "conn": "AIRFLOW_CONN_"}[parsed.kind]
    variable = prefix + (parsed.name.upper() if prefix else parsed.name)
    value = source.get(variable)
    if value is not None and parsed.kind == "conn":
        value = names.field_of(connection_fields(value), parsed.field)
    if value is None:
        raise names.missing(name, f"the environment variable {variable}")
    return value


__all__ = ["connection_fields", "from_environment", "lookup"]
