# SPDX-License-Identifier: Apache-2.0
"""Secrets by name: which ones a spec refers to, and how a connection's field is read. No secret is looked up here."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.errors import SpecError, did_you_mean

CONNECTION_FIELDS = ("host", "login", "password", "port", "schema", "extra", "uri")
_NAME = re.compile(r"^(env|var):(?P<name>[A-Za-z_][\w.-]*)$|^conn:(?P<conn>[\w-]+)(?:\.(?P<field>[\w.-]+))?$")
_SHORTEST_HIDDEN = 4
# The last words of a name; `key` alone is what rows are told apart by.
_SECRET_WORDS = re.compile(
    r"(^|_)(password|passwd|passphrase|pwd|secret|token|credentials?|api_?key|(access|secret|private|signing)_key)$"
)
_WITH_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/?#\s:@]*:[^/?#\s@]+@", re.IGNORECASE)
_OF_SECRET_MANAGER = re.compile(r"projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?")
# The piece of a query that DuckDB puts under its error; it begins and ends anywhere, in the middle of a secret too.
_EXCERPT = re.compile(r"^(\s*LINE \d+:).*$", re.MULTILINE)


@dataclass(frozen=True)
class SecretName:
    """A parsed reference.

    Attributes:
        kind: ``env``, ``var`` or ``conn``.
        name: Name of the environment variable or Airflow variable, or id of the connection.
        field: Of ``conn``: one of :data:`CONNECTION_FIELDS` or ``extra.<key>``; ``password`` where the author gave none.
    """

    kind: str
    name: str
    field: str = ""


def parse(text: str) -> SecretName:
    """Read ``env:NAME``, ``var:NAME``, ``conn:ID`` or ``conn:ID.field``.

    Raises:
        SpecError: It is none of them (``SECRET_REFERENCE``).
    """
    found = _NAME.match(text)
    if found is None:
        # The text is not repeated: somebody may have put the secret itself here.
        raise SpecError(
            "a secret is given by a reference that is not valid (not shown here, it may be the secret itself)",
            hint="write env:NAME, var:NAME, conn:ID or conn:ID.field",
            code="SECRET_REFERENCE",
        )
    if found["conn"] is None:
        return SecretName(text.split(":", 1)[0], found["name"])
    field = found["field"] or "password"
    if field.partition(".")[0] not in CONNECTION_FIELDS:
        raise SpecError(
            f"{text!r} names no field of a connection; known are: {', '.join(CONNECTION_FIELDS)} and extra.<key>",
            hint=did_you_mean(field, CONNECTION_FIELDS),
            code="SECRET_REFERENCE",
        )
    return SecretName("conn", found["conn"], field)


def references(document: Any) -> list[str]:
    """Return the secret names in a dumped spec (each ``{"secret": "env:NAME"}``), sorted, each once."""
    return sorted(set(_walk(document)))


def _walk(node: Any) -> Iterable[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("secret"), str) and set(node) <= {"secret", "ref"}:
            yield node["secret"]
        else:
            for value in node.values():
                yield from _walk(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _walk(value)


def variable_of(name: str) -> str:
    """Return the environment variable that brings a secret's value to a driver: of ``conn:salts.password`` ``DATAOPS_SECRET_CONN_…``.

    Args:
        name: The reference; two that differ in case or signs only have different variables.
    """
    words = re.sub(r"\W", "_", name, flags=re.ASCII).upper()
    return f"DATAOPS_SECRET_{words}_{zlib.crc32(name.encode()):08X}"


def field_of(fields: Mapping[str, Any], field: str) -> str | None:
    """Return one field of a connection as text; ``extra.<key>`` looks into the extra; None where it is not set."""
    head, _, key = field.partition(".")
    value = fields.get(head)
    if head == "extra" and key:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        return json.dumps(value) if value else None
    return None if value is None or value == "" else str(value)


def missing(name: str, where: str) -> SpecError:
    """Return the error for a secret that is not there.

    Args:
        name: The reference as the author wrote it.
        where: What was looked at, for the hint.
    """
    return SpecError(
        f"the secret {name} is not set", hint=f"set it: {where}", code="SECRET_MISSING", details={"secret": name}
    )


def hide(text: str, values: Iterable[str]) -> str:
    """Replace every secret value in ``text`` by ``***``; values under four characters would hide half of any text and stay.

    A value is found as it is and as SQL, JSON and Python write it between quotes. Where there are secrets, an engine's excerpt of a query
    (``LINE 1: …``) is left out: it may show half of one.
    """
    known = {value for value in values if len(value) >= _SHORTEST_HIDDEN}
    if not known:
        return text
    for form in sorted({form for value in known for form in _forms(value)}, key=len, reverse=True):
        text = text.replace(form, "***")
    return _EXCERPT.sub(r"\1 ***", text)


def _forms(value: str) -> Iterable[str]:
    yield value
    yield value.replace("'", "''")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]


def hide_in(document: Any, values: Iterable[str]) -> Any:
    """Return a JSON-like document in which no text holds a secret value."""
    known = list(values)
    if isinstance(document, str):
        return hide(document, known)
    if isinstance(document, Mapping):
        return {key: hide_in(value, known) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [hide_in(value, known) for value in document]
    return document


def names_a_secret(name: str) -> bool:
    """Tell whether something of this name is a secret: ``db_password``, ``apiKey``, ``access-key``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return bool(_SECRET_WORDS.search(words))


def is_name_in_secret_manager(text: str) -> bool:
    """Tell whether a text names a secret of Google's Secret Manager: ``projects/P/secrets/NAME``, with a version or without."""
    return bool(_OF_SECRET_MANAGER.fullmatch(text))


def has_a_password(text: str) -> bool:
    """Tell whether a text is an address with a password in it: ``postgresql://user:password@host/db``."""
    return bool(_WITH_PASSWORD.match(text))


__all__ = [
    "CONNECTION_FIELDS",
    "SecretName",
    "field_of",
    "has_a_password",
    "hide",
    "hide_in",
    "is_name_in_secret_manager",
    "missing",
    "names_a_secret",
    "parse",
    "references",
    "variable_of",
]
