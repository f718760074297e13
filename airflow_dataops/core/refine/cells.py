# SPDX-License-Identifier: Apache-2.0
"""Select, rename, cast, trim and fill: one expression a column, over the source's columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.refine.literals import literal
from airflow_dataops.core.refine.names import all_of, column, present
from airflow_dataops.core.refine.spec import CastSpec, CleanSpec
from airflow_dataops.core.sql import casts, types
from airflow_dataops.core.sql.dialects import pin, plain_cast


@dataclass(frozen=True)
class Cell:
    """One column after these steps.

    Attributes:
        name: Its name in the cleaned table.
        source: Its name in the source; None where the source lacks it and it is all null.
        type: Canonical type.
        value: Tree over the source's columns.
        cast_to: Type that the author asked for; None without a cast.
        failed: Test that a value was there and did not cast; None where no value can fail.
        on_error: What becomes of a row whose value did not cast.
    """

    name: str
    source: str | None
    type: str
    value: exp.Expression
    cast_to: str | None = None
    failed: exp.Expression | None = None
    on_error: Literal["fail", "null", "quarantine"] = "fail"

    @property
    def rule(self) -> str:
        """The cast as bad rows and errors name it."""
        return f"cast({self.name} as {self.cast_to})"


def compile_cells(clean: CleanSpec, columns: Mapping[str, str], absent: Mapping[str, str] | None = None) -> list[Cell]:
    """Return the columns after select, rename, cast, trim and fill, in order. A NaN of the source reads as null.

    Args:
        clean: The steps.
        columns: Column -> canonical type of the source.
        absent: Column -> type that the source lacks and that become null.

    Raises:
        SpecError: A step names an unknown column (``UNKNOWN_COLUMN``), makes two columns of one name (``DUPLICATE_COLUMN``), cannot be
            applied to a type (``BAD_CAST``, ``BAD_TRIM``), or has a value of the wrong type (``BAD_VALUE``).
    """
    cells = _renamed(clean, columns, absent or {})
    known = [cell.name for cell in cells]
    for step, names in (("cast", clean.cast), ("trim", clean.trim), ("fill", clean.fill)):
        check_known(f"clean.{step}", (name for name in names if name != "*" or step != "trim"), known)
    return [_filled(_trimmed(_cast(cell, clean), clean), clean) for cell in cells]


def check_known(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise for the first name that is no column.

    Raises:
        SpecError: ``UNKNOWN_COLUMN``.
    """
    known = list(known)
    for name in names:
        if name not in known:
            raise unknown_name(f"column in {where}", name, known, code="UNKNOWN_COLUMN")


def check_distinct(names: Iterable[str]) -> None:
    """Raise where two names are equal or differ in case only: engines fold the case of names.

    Raises:
        SpecError: ``DUPLICATE_COLUMN``.
    """
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise SpecError(
                f"two columns would be named {seen[name.lower()]!r} and {name!r}, which engines take for one",
                hint="choose another name in clean.rename or clean.derive",
                code="DUPLICATE_COLUMN",
            )
        seen[name.lower()] = name


def _renamed(clean: CleanSpec, columns: Mapping[str, str], absent: Mapping[str, str]) -> list[Cell]:
    every = {**columns, **absent}
    check_known("clean.select", clean.select or [], every)
    chosen = list(every) if clean.select is None else list(dict.fromkeys(clean.select))
    check_known("clean.rename", clean.rename, chosen)
    cells = []
    for name in chosen:
        kind = types.canonical(every[name])
        value = _readable(name, kind) if name in columns else exp.Cast(this=exp.Null(), to=types.parse_type(kind))
        cells.append(Cell(clean.rename.get(name, name), name if name in columns else None, kind, value))
    check_distinct(cell.name for cell in cells)
    return cells


def _readable(name: str, kind: str) -> exp.Expression:
    value = column(name)
    if kind not in ("float", "double"):
        return value
    return exp.Nullif(this=value, expression=plain_cast(exp.Literal.string("NaN"), types.parse_type(kind)))


def _cast(cell: Cell, clean: CleanSpec) -> Cell:
    asked = clean.cast.get(cell.name)
    if asked is None:
        return cell
    spec = asked if isinstance(asked, CastSpec) else CastSpec(type=asked)
    target = types.canonical(spec.type)
    try:
        value = casts.try_cast(cell.value, cell.type, target)
    except SpecError as error:
        raise SpecError(f"clean.cast of {cell.name!r}: {error.message}", hint=error.hint, code=error.code) from error
    failed = None
    if casts.can_fail(cell.type, target):
        failed = all_of([present(cell.value.copy()), casts.is_null(value.copy())])
    return replace(cell, type=target, value=value, cast_to=target, failed=failed, on_error=spec.on_error)


def _trimmed(cell: Cell, clean: CleanSpec) -> Cell:
    if cell.name in clean.trim and not types.is_text(cell.type):
        raise SpecError(
            f"clean.trim: column {cell.name!r} is {cell.type}, and only texts can be trimmed",
            hint='leave it out, or write trim: ["*"] for all text columns',
            code="BAD_TRIM",
        )
    if not types.is_text(cell.type) or not {cell.name, "*"} & set(clean.trim):
        return cell
    return replace(cell, value=pin("strip", cell.value))


def _filled(cell: Cell, clean: CleanSpec) -> Cell:
    if cell.name not in clean.fill:
        return cell
    by = literal(clean.fill[cell.name], cell.type, f"clean.fill of {cell.name!r}")
    return replace(cell, value=exp.Coalesce(this=cell.value, expressions=[by]))
