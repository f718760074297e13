# SPDX-License-Identifier: Apache-2.0
"""Masks: how a column is made unreadable, as a tree that every engine runs alike."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.sql import types
from airflow_dataops.core.sql.casts import as_text
from airflow_dataops.core.sql.dialects import pin, plain_cast
from airflow_dataops.core.tables import MaskSpec

SALT_SHOWN = "<salt>"


def mask_expression(column: str, type: str, mask: MaskSpec, *, salt: str | None = None) -> exp.Expression:
    """Return the value of ``column`` as it may be seen. Null stays null.

    Args:
        column: Name of the column.
        type: Its canonical type.
        mask: What to do with it. ``drop`` gives null here: whoever selects columns leaves it out.
        salt: Value of ``mask.salt``; None shows the placeholder ``<salt>`` in its place (for an author's eyes, not for an engine).

    Returns:
        A tree of type ``string``; for ``null`` and ``drop`` one of the column's own type.

    Raises:
        SpecError: The column's type has no text that could be masked (``BAD_MASK``).
    """
    value = exp.column(column, quoted=True)
    if mask.kind in ("null", "drop"):
        return exp.Cast(this=exp.Null(), to=types.parse_type(type))
    text = _text(column, value, type)
    if mask.kind == "sha256":
        return pin("sha256", text if mask.salt is None else _salted(text, salt))
    if mask.kind == "digits":
        return pin("regex_replace", text, exp.Literal.string("[0-9]"), exp.Literal.string("X"))
    return _last4(text)


def mask_type(type: str, mask: MaskSpec) -> str:
    """Return the canonical type of a masked column."""
    return type if mask.kind in ("null", "drop") else "string"


def check_masks(masks: Mapping[str, MaskSpec], columns: Mapping[str, str]) -> None:
    """Raise unless every mask can be applied.

    Raises:
        SpecError: A mask names an unknown column (``UNKNOWN_COLUMN``), cannot be applied to its type (``BAD_MASK``), or has a salt
            that it does not use (``BAD_MASK``).
    """
    for name, mask in masks.items():
        if name not in columns:
            raise unknown_name("column in masks", name, columns, code="UNKNOWN_COLUMN")
        if mask.salt is not None and mask.kind != "sha256":
            raise SpecError(
                f"mask of {name!r}: a salt is for sha256, {mask.kind} has no use for it",
                hint="leave the salt out, or set kind: sha256",
                code="BAD_MASK",
            )
        mask_expression(name, columns[name], mask)


def salts(masks: Mapping[str, MaskSpec], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return column -> value of its salt, for the masks that have one.

    Args:
        masks: Column -> mask.
        secrets: Reference (``env:NAME``) -> value.

    Raises:
        SpecError: A value was not handed over, or is empty (``SECRET_MISSING``).
    """
    found = {}
    for name, mask in masks.items():
        if mask.salt is None:
            continue
        value = secrets.get(mask.salt.secret)
        if not value:
            raise SpecError(
                f"mask of {name!r}: the salt {mask.salt.secret!r} has no value",
                hint="set it where the job runs, or take the salt out of the mask",
                code="SECRET_MISSING",
            )
        found[name] = value
    return found


def _text(column: str, value: exp.Expression, kind: str) -> exp.Expression:
    if types.base_name(kind) in ("binary", "interval", "list", "map", "struct"):
        raise SpecError(
            f"column {column!r} of type {kind} has no text that could be masked",
            hint="use kind: drop or kind: null",
            code="BAD_MASK",
        )
    return as_text(value, kind)


def _salted(text: exp.Expression, salt: str | None) -> exp.Expression:
    return pin("concat", exp.Literal.string(SALT_SHOWN if salt is None else salt), text)


def _last4(text: exp.Expression) -> exp.Expression:
    """Stars for all but the last four characters; a text of up to four characters is all stars, or it would not be masked."""
    length = pin("length", text)
    hidden = pin("regex_replace", text.copy(), exp.Literal.string("(?s)."), exp.Literal.string("*"))
    tail = exp.Anonymous(this="RIGHT", expressions=[text.copy(), plain_cast(exp.Literal.number(4), "INT")])
    stars = exp.Anonymous(
        this="REPEAT",
        expressions=[
            exp.Literal.string("*"),
            plain_cast(exp.Paren(this=exp.Sub(this=length.copy(), expression=exp.Literal.number(4))), "INT"),
        ],
    )
    long = exp.GT(this=length, expression=exp.Literal.number(4))
    return exp.Case(ifs=[exp.If(this=long, true=pin("concat", stars, tail))], default=hidden)
