# SPDX-License-Identifier: Apache-2.0
"""A table on its way from bronze to silver: every column, type, expression and rule that the file names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dag_factories.check.cleaning import Columns, Flow, checked_type
from dag_factories.check.columns import source_columns
from dag_factories.check.context import Context
from dag_factories.check.rules import rule_problems
from dag_factories.specs.base import Problem


def check_table(context: Context) -> Iterator[Problem]:
    """Yield what is wrong with columns, expressions and rules; the source's columns are read where they can be."""
    yield from _check(context, source_columns(context))


def check_table_unseen(context: Context) -> Iterator[Problem]:
    """Yield what is wrong with expressions and rules by themselves; no data is looked at."""
    yield from _check(context, None)


def staged_columns(context: Context) -> Columns | None:
    """Return column -> canonical type of the table that a pipeline stages; None where the source's columns are not known."""
    spec: Any = context.spec
    flow = Flow(source_columns(context))
    list(flow.check(spec.clean))
    return _masked(context, flow.columns)


def _check(context: Context, columns: Columns | None) -> Iterator[Problem]:
    spec: Any = context.spec
    if not hasattr(spec, "clean"):
        return
    for name, text in spec.source.types.items():
        _, problem = checked_type(text, ("source", "types", name))
        if problem is not None:
            yield problem
    flow = Flow(columns)
    if spec.window is not None:
        yield from flow.unknown(spec.window.column, ("window", "column"))
    yield from rule_problems(context, "bronze", flow.columns)
    yield from flow.check(spec.clean)
    yield from _columns(spec, columns, flow)
    for index, name in enumerate(spec.target.partition_by):
        yield from flow.unknown(name, ("target", "partition_by", index))
    for index, name in enumerate(spec.target.keys):
        yield from flow.unknown(name, ("target", "keys", index))
    yield from rule_problems(context, "silver", _masked(context, flow.columns))


def _columns(spec: Any, source: Columns | None, flow: Flow) -> Iterator[Problem]:
    """Yield entries of ``columns`` that name no column: a mask there would hide nothing."""
    for name in spec.columns:
        if source is None or name not in source:
            yield from flow.unknown(name, ("columns", name), on_key=True)


def _masked(context: Context, columns: Columns | None) -> Columns | None:
    """Return the columns as they are staged: dropped ones gone, hashed ones text."""
    if columns is None:
        return None
    spec: Any = context.spec
    central = context.project.spec.masks
    for name, column in spec.columns.items():
        mask = column.mask or next((central[tag] for tag in column.tags if tag in central), None)
        silver = spec.clean.rename.get(name, name)
        if mask is not None and silver in columns:
            columns[silver] = columns[silver] if mask.kind == "null" else "string"
            if mask.kind == "drop":
                del columns[silver]
    return columns
