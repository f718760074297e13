# SPDX-License-Identifier: Apache-2.0
"""What happens when columns come, go, or change their type between two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.refine.spec import CleanSpec, DriftSpec
from airflow_dataops.core.sql.types import canonical


@dataclass(frozen=True)
class Shape:
    """The columns of the table that is to be written.

    Attributes:
        columns: Column -> canonical type, in order.
        nulls: Those of them that the cleaned rows lack and that are all null.
        notes: What has changed, one line each.
    """

    columns: dict[str, str]
    nulls: frozenset[str]
    notes: list[str]


def absent_columns(
    clean: CleanSpec,
    drift: DriftSpec,
    columns: Mapping[str, str],
    *,
    declared: Mapping[str, str],
    published: Mapping[str, str] | None,
) -> dict[str, str]:
    """Return column -> type of what the source should have and lacks, for columns that become null.

    Expected are the columns that ``source.types`` declares, and those from which the published table was made.

    Args:
        clean: The cleaning steps.
        drift: The policy.
        columns: Column -> type of the source.
        declared: ``SourceSpec.types``.
        published: Column -> type of the published table; None where there is none.

    Raises:
        InputError: Columns are missing and the policy is ``fail`` (``SCHEMA_DRIFT``).
    """
    old_names = {new: old for old, new in clean.rename.items()}
    expected: dict[str, str] = {}
    for name, kind in (published or {}).items():
        source = old_names.get(name, name)
        if name not in clean.derive and (clean.select is None or source in clean.select):
            expected[source] = kind
    expected |= {name: canonical(kind) for name, kind in declared.items()}
    absent = {name: kind for name, kind in expected.items() if name not in columns}
    if absent and drift.missing_column == "fail":
        raise _refused(
            f"the source lacks {_listed(absent)}; it has {_listed(columns)}",
            hint="deliver the column, or set schema: {missing_column: null} to go on with nulls",
            missing=list(absent),
        )
    return absent


def table_shape(
    columns: Mapping[str, str],
    published: Mapping[str, str] | None,
    drift: DriftSpec,
    *,
    untyped: Sequence[str] = (),
) -> Shape:
    """Return the columns to write: those of the published table in its order, then new ones.

    Args:
        columns: Column -> type of the cleaned and masked rows.
        published: Column -> type of the published table; None where there is none.
        drift: The policy.
        untyped: Columns whose type the published table does not tell: they are written in its folders' names.

    Raises:
        InputError: A change that the policy forbids (``SCHEMA_DRIFT``).
    """
    if published is None:
        return Shape(dict(columns), frozenset(), [])
    changed = [n for n in published if n in columns and n not in untyped and published[n] != columns[n]]
    if changed:
        pairs = ", ".join(f"{name!r} was {published[name]} and is {columns[name]} now" for name in changed)
        raise _refused(
            f"columns have another type than in the published table: {pairs}",
            hint=f"cast it to what it was: clean.cast: {{{changed[0]}: {published[changed[0]]}}}, or publish to another table",
            changed=changed,
        )
    new = [name for name in columns if name not in published]
    if new and drift.new_column == "fail":
        raise _refused(
            f"the published table has no {_listed(new)}",
            hint="leave the column out with clean.select, or set schema: {new_column: add} or {new_column: ignore}",
            new=new,
        )
    gone = [name for name in published if name not in columns]
    if gone and drift.missing_column == "fail":
        raise _refused(
            f"the published table has {_listed(gone)}, and the cleaned rows lack it",
            hint="keep the column in clean, or set schema: {missing_column: null} to write nulls",
            missing=gone,
        )
    kept = {name: columns.get(name, kind) for name, kind in published.items()}
    added = {name: columns[name] for name in new if drift.new_column == "add"}
    notes = [f"missing column {name!r} is null" for name in gone]
    notes += [f"new column {n!r} ({columns[n]}) is {'added' if n in added else 'ignored'}" for n in new]
    return Shape({**kept, **added}, frozenset(gone), notes)


def _listed(names: Mapping[str, str] | Sequence[str]) -> str:
    texts = [repr(name) for name in names]
    return ", ".join(texts[:30]) + (" …" if len(texts) > 30 else "")


def _refused(message: str, *, hint: str, **details: list[str]) -> InputError:
    return InputError(message, hint=hint, code="SCHEMA_DRIFT", details=dict(details))
