# SPDX-License-Identifier: Apache-2.0
"""``${…}``: values that a file names and does not hold. They are typed, and expanded as late as they can be."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, get_args

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.run import REFERENCES as RUN_NAMES
from dag_factories.plans.model import EnvRef, RunRef, SecretValue

ReferenceKind = Literal["lake", "run", "env", "var", "conn"]

KINDS: tuple[ReferenceKind, ...] = get_args(ReferenceKind)
PATH_KINDS: frozenset[ReferenceKind] = frozenset({"lake", "env", "var", "conn"})
SECRET_KINDS: frozenset[ReferenceKind] = frozenset({"env", "var", "conn"})

_OPEN = re.compile(r"\$\{([^{}]*)(\}?)")
_NAME = {
    "env": re.compile(r"[A-Za-z_][A-Za-z0-9_]*"),
    "var": re.compile(r"[A-Za-z0-9_.-]+"),
    "conn": re.compile(r"[A-Za-z0-9_-]+(\.[a-z_]+)*"),
}
# Fields of a connection that hold its password, the one that is meant where no field is named included.
_HOLDS_PASSWORD = {"", "password", "uri", "extra"}
_LOOKS_LIKE = re.compile(r"\$\{(lake\b|run\.|env:|var:|conn:)")


class Ref(NamedTuple):
    """One reference in a text.

    Attributes:
        kind: What it stands for.
        name: ``date`` of ``${run.date}``, ``HOME`` of ``${env:HOME}``; empty for ``${lake}``.
        start: Offset of the ``$`` in the text.
        end: Offset after the closing brace.
    """

    kind: ReferenceKind
    name: str
    start: int
    end: int


def parse(text: str, allowed: Collection[ReferenceKind] = KINDS) -> list[Ref]:
    """Return the references of a text, in order.

    Args:
        text: The text as the author wrote it.
        allowed: Kinds that may stand there.

    Raises:
        SpecError: ``UNKNOWN_REFERENCE`` or ``REFERENCE_NOT_ALLOWED``; ``details["offset"]`` says where in the text.
    """
    return [_one(found, allowed) for found in _OPEN.finditer(text)]


def refuse_password(refs: list[Ref]) -> None:
    """Raise where a reference stands for a connection's password: what is made with a path is shown in tasks and on pages.

    Raises:
        SpecError: ``REFERENCE_NOT_ALLOWED``; ``details["offset"]`` says where in the text.
    """
    for ref in refs:
        connection, _, field = ref.name.partition(".")
        if ref.kind == "conn" and field in _HOLDS_PASSWORD:
            message = f"${{conn:{ref.name}}} stands for a password, and paths are shown in tasks, records and pages"
            hint = f"name a field that is no secret, such as ${{conn:{connection}.host}} or ${{conn:{connection}.extra.bucket}}"
            raise _error("REFERENCE_NOT_ALLOWED", message, hint, ref.start)


def looks_like_reference(text: str) -> int | None:
    """Return where in ``text`` something stands that can only be meant as a reference; None where nothing does."""
    found = _LOOKS_LIKE.search(text)
    return found.start() if found else None


def expand_lake(text: str, lake: str) -> str:
    """Replace ``${lake}`` by the root of the lake; all other references stay."""
    return text.replace("${lake}", lake)


def typed(text: str) -> str | RunRef | EnvRef:
    """Return what stands for the text in a plan: itself, or a reference that is resolved when the run is known.

    A text with ``${env:…}``, ``${var:…}`` or ``${conn:…}`` becomes an :class:`EnvRef`, whose template may hold ``${run.…}``
    too. ``${lake}`` has to be expanded before.
    """
    if "${" not in text:
        return text
    kinds = {ref.kind for ref in parse(text)}
    if kinds & SECRET_KINDS:
        return EnvRef(template=text)
    return RunRef(template=text) if "run" in kinds else text


def typed_values(value: Any) -> Any:
    """Return JSON-safe data with every text in it as :func:`typed` has it, references as dumped models."""
    if isinstance(value, str):
        made = typed(value)
        return made if isinstance(made, str) else made.model_dump()
    if isinstance(value, list):
        return [typed_values(item) for item in value]
    if isinstance(value, dict):
        return {key: typed_values(item) for key, item in value.items()}
    return value


def secret(text: str) -> SecretValue:
    """Return the secret that a text names: exactly one ``${env:…}``, ``${var:…}`` or ``${conn:…}``.

    Raises:
        SpecError: It holds anything else (``SECRET_IN_FILE``): a secret itself never stands in a file.
    """
    refs = parse(text, SECRET_KINDS)
    if len(refs) != 1 or (refs[0].start, refs[0].end) != (0, len(text)):
        raise SpecError(
            "a secret is named here, never written: it is one ${env:NAME}, ${var:NAME} or ${conn:ID}",
            hint="put the value into an environment variable and write ${env:NAME}",
            code="SECRET_IN_FILE",
        )
    return SecretValue(secret=f"{refs[0].kind}:{refs[0].name}")


def _one(found: re.Match[str], allowed: Collection[ReferenceKind]) -> Ref:
    inside, closed, start = found[1], found[2], found.start()
    if not closed:
        raise _error("UNKNOWN_REFERENCE", f"${{{inside} has no closing brace", "write it as ${run.date}", start)
    kind, name = _split(inside)
    if kind is None or not _known(kind, name):
        known = ["lake", *(f"run.{n}" for n in RUN_NAMES), "env:NAME", "var:NAME", "conn:ID"]
        near = get_close_matches(inside, known, n=1, cutoff=0.6)
        message = f"unknown reference ${{{inside}}}; known are: {', '.join('${' + name + '}' for name in known)}"
        raise _error("UNKNOWN_REFERENCE", message, f"did you mean ${{{near[0]}}}?" if near else None, start)
    if kind not in allowed:
        listed = ", ".join("${" + _example(k) + "}" for k in KINDS if k in allowed)
        message = f"${{{inside}}} has no value here; allowed are: {listed or 'none'}"
        raise _error("REFERENCE_NOT_ALLOWED", message, None, start)
    return Ref(kind, name, start, found.end())


def _split(inside: str) -> tuple[ReferenceKind | None, str]:
    if inside == "lake":
        return "lake", ""
    if inside.startswith("run."):
        return "run", inside[4:]
    head, colon, name = inside.partition(":")
    if colon and head in SECRET_KINDS:
        return head, name
    return None, inside


def _known(kind: ReferenceKind, name: str) -> bool:
    if kind == "lake":
        return True
    return name in RUN_NAMES if kind == "run" else bool(_NAME[kind].fullmatch(name))


def _example(kind: ReferenceKind) -> str:
    return {"lake": "lake", "run": "run.date", "env": "env:NAME", "var": "var:NAME", "conn": "conn:ID"}[kind]


def _error(code: str, message: str, hint: str | None, offset: int) -> SpecError:
    return SpecError(message, hint=hint, code=code, details={"offset": offset})
