# SPDX-License-Identifier: Apache-2.0
"""The queries of a refine step. Nothing runs here.

::

    dataops_source ── select, rename, cast, trim, fill ──> dataops_rows ──> counts by cause
                                                               │
                                                   drop_nulls, keep_if, derive
                                                               v
    dataops_losers <── dedup ─────────────────────────── dataops_good ── masks ──> files

The relations are views, except for ``dataops_repeated`` and ``dataops_losers``, which hold the keys and places of duplicates only. An
engine that counts rows along a write reads them once instead::

    dataops_rows ── cause ──> dataops_counted ── derive ──> dataops_good ── rank ──> dataops_ranked ── masks ──> files
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.refine.causes import Cause, Tally, causes, flag, stays, still_there, tally
from airflow_dataops.core.refine.cells import Cell, check_distinct, compile_cells
from airflow_dataops.core.refine.dedup import check_dedup, loses
from airflow_dataops.core.refine.drift import Shape, absent_columns, table_shape
from airflow_dataops.core.refine.mask import check_masks, mask_expression, mask_type
from airflow_dataops.core.refine.names import (
    COUNTED,
    EXCLUDED,
    GOOD,
    LOSERS,
    PLACE,
    RANKED,
    ROWS,
    SOURCE,
    absent_from,
    column,
    count_all,
    named,
    table,
)
from airflow_dataops.core.refine.spec import RefineSpec
from airflow_dataops.core.slices import no_window, slice_predicate
from airflow_dataops.core.sql.expressions import columns_of, parse_scalar, scalar_type
from airflow_dataops.core.sql.types import parse_type
from airflow_dataops.core.tables import MaskSpec, WindowSlice


@dataclass(frozen=True)
class CleanPlan:
    """What leads to the cleaned rows.

    Attributes:
        cells: Columns after select, rename, cast, trim and fill.
        causes: Why rows are dropped, in order.
        wanted: Test that a row of the source is the run's and was not put aside before; None where all are.
        rows: Query of ``dataops_rows``.
        good: Query of ``dataops_good``.
        good_counted: The same, reading ``dataops_counted``.
        tally: What is counted of ``dataops_rows``.
        lost: Number of rows that belong to no run; None where the slice is no window.
        columns: Column -> type of the cleaned rows, as far as it is known without an engine.
        window: Name of the slice's window column in the cleaned rows; None without one.
        notes: What the source lacks, one line each.
    """

    cells: list[Cell]
    causes: list[Cause]
    wanted: exp.Expression | None
    rows: exp.Select
    good: exp.Select
    good_counted: exp.Select
    tally: Tally
    lost: exp.Select | None
    columns: dict[str, str]
    window: str | None
    notes: list[str]


@dataclass(frozen=True)
class TablePlan:
    """What is written.

    Attributes:
        shape: Columns of the table.
        query: The rows, reading ``dataops_good`` and ``dataops_losers``.
        window: Window column whose bounds are recorded for each file; None for none.
    """

    shape: Shape
    query: exp.Select
    window: str | None

    @property
    def of_ranked(self) -> exp.Select:
        """The rows, reading ``dataops_ranked``."""
        return self.query.from_(table(RANKED)).where(exp.Not(this=loses()))


def clean_plan(
    spec: RefineSpec, columns: Mapping[str, str], published: Mapping[str, str] | None, *, excluded: bool = False
) -> CleanPlan:
    """Return the plan up to the cleaned rows.

    Args:
        spec: What to do.
        columns: Column -> canonical type of the source.
        published: Column -> type of the published table; None where there is none.
        excluded: Whether ``dataops_excluded`` holds rows that an earlier gate put aside.

    Raises:
        SpecError: The spec does not fit the source; the message names the step.
        InputError: The source's columns have changed in a way that the policy forbids (``SCHEMA_DRIFT``).
    """
    clean = spec.clean
    absent = absent_columns(clean, spec.drift, columns, declared=spec.source.types, published=published)
    cells = compile_cells(clean, columns, absent)
    known = {cell.name: cell.type for cell in cells}
    found = causes(clean, known)
    wanted = _wanted(spec, columns, excluded=excluded)
    good, made = _good(spec, cells, ROWS, stays(found, cells))
    good_counted, _ = _good(spec, cells, COUNTED, still_there())
    if clean.dedup is not None:
        check_dedup(clean.dedup, made)
    window = _window(spec, cells)
    lost = no_window(spec.slice, columns)
    return CleanPlan(
        cells=cells,
        causes=found,
        wanted=wanted,
        rows=_rows(cells, wanted),
        good=good,
        good_counted=good_counted,
        tally=tally(cells, found, _moved(spec, cells, columns)),
        lost=None if lost is None else exp.select(named(count_all(), "rows")).from_(table(SOURCE)).where(lost),
        columns=made,
        window=window,
        notes=[f"missing column {name!r} is null" for name in absent],
    )


def table_plan(
    spec: RefineSpec,
    plan: CleanPlan,
    columns: Mapping[str, str],
    published: Mapping[str, str] | None,
    *,
    salts: Mapping[str, str] | None = None,
    deduplicated: bool,
    untyped: Sequence[str] = (),
) -> TablePlan:
    """Return what is written: the cleaned rows without those that lost, masked, in the columns of the table.

    Args:
        spec: What to do.
        plan: What led to the cleaned rows.
        columns: Column -> canonical type of the cleaned rows, as the engine says.
        published: Column -> type of the published table; None where there is none.
        salts: Column -> value of its mask's salt; None shows placeholders.
        deduplicated: Whether ``dataops_losers`` holds rows.
        untyped: Columns whose type ``published`` does not tell.

    Raises:
        SpecError: Masks, partitions or keys do not fit the columns.
        InputError: The table's columns would change in a way that the policy forbids (``SCHEMA_DRIFT``).
    """
    masks = _masks(spec, columns)
    final = {name: mask_type(kind, masks[name]) if name in masks else kind for name, kind in columns.items()}
    final = {name: kind for name, kind in final.items() if name not in masks or masks[name].kind != "drop"}
    shape = table_shape(final, published, spec.drift, untyped=untyped)
    _check_target(spec, shape, plan, masks)
    selected: list[exp.Expression] = []
    for name, kind in shape.columns.items():
        if name in shape.nulls:
            selected.append(named(exp.Cast(this=exp.Null(), to=parse_type(kind)), name))
        elif name in masks:
            selected.append(
                named(mask_expression(name, columns[name], masks[name], salt=(salts or {}).get(name)), name)
            )
        else:
            selected.append(column(name))
    query = exp.select(*selected).from_(table(GOOD))
    if deduplicated:
        query = query.where(absent_from(LOSERS, GOOD))
    window = plan.window if plan.window in shape.columns and plan.window not in masks else None
    return TablePlan(shape, query, window)


def _wanted(spec: RefineSpec, columns: Mapping[str, str], *, excluded: bool) -> exp.Expression | None:
    test = slice_predicate(spec.slice, spec.run, columns)
    if not excluded:
        return test
    left = absent_from(EXCLUDED, SOURCE)
    return left if test is None else exp.And(this=test, expression=left)


def _rows(cells: list[Cell], wanted: exp.Expression | None) -> exp.Select:
    selected: list[exp.Expression] = [named(cell.value, cell.name) for cell in cells]
    selected += [named(cell.failed, flag(i)) for i, cell in enumerate(cells) if cell.failed is not None]
    query = exp.select(*selected, *(column(name) for name in PLACE)).from_(table(SOURCE))
    return query if wanted is None else query.where(wanted.copy())


def _good(
    spec: RefineSpec, cells: list[Cell], rows: str, stay: exp.Expression | None
) -> tuple[exp.Select, dict[str, str]]:
    """Derived columns see those before them; each that needs an earlier one takes a select around the others."""
    made = {cell.name: cell.type for cell in cells}
    names = [column(cell.name) for cell in cells]
    query = exp.select(*names, *(column(name) for name in PLACE)).from_(table(rows))
    query = query if stay is None else query.where(stay)
    level: set[str] = set()
    check_distinct([*made, *spec.clean.derive])
    for name, text in spec.clean.derive.items():
        tree, kind = _derived(name, text, made)
        if level & set(columns_of(tree)):
            query, level = exp.select(exp.Star()).from_(query.subquery("derived")), set()
        query = query.select(named(tree, name))
        made[name] = kind or "string"
        level.add(name)
    return query, made


def _derived(name: str, text: str, known: Mapping[str, str]) -> tuple[exp.Expression, str | None]:
    try:
        return parse_scalar(text, known), scalar_type(text, known)
    except SpecError as error:
        message = f"clean.derive of {name!r}: {error.message}"
        raise SpecError(message, hint=error.hint, code=error.code, details=error.details) from error


def _window(spec: RefineSpec, cells: list[Cell]) -> str | None:
    if not isinstance(spec.slice, WindowSlice):
        return None
    return next((cell.name for cell in cells if cell.source == spec.slice.column), None)


def _moved(spec: RefineSpec, cells: list[Cell], columns: Mapping[str, str]) -> exp.Expression | None:
    """A timestamp that is cast to a date, say, may belong to another run afterwards: its rows would be replaced twice or never."""
    if not isinstance(spec.slice, WindowSlice):
        return None
    cell = next((cell for cell in cells if cell.source == spec.slice.column), None)
    if cell is None or cell.type == columns[spec.slice.column]:
        return None
    after = spec.slice.model_copy(update={"column": cell.name})
    test = slice_predicate(after, spec.run, {cell.name: cell.type})
    return None if test is None else exp.Not(this=exp.Coalesce(this=test, expressions=[exp.false()]))


def _masks(spec: RefineSpec, columns: Mapping[str, str]) -> dict[str, MaskSpec]:
    """Masks of columns that are there; a mask of a column that ``select`` leaves out has nothing to do."""
    selected = spec.clean.select
    left_out = [] if selected is None else [name for name in spec.masks if name not in {*columns, *selected}]
    masks = {name: mask for name, mask in spec.masks.items() if name not in left_out}
    check_masks(masks, columns)
    return masks


def _check_target(spec: RefineSpec, shape: Shape, plan: CleanPlan, masks: Mapping[str, MaskSpec]) -> None:
    target = spec.target
    for where, names in (("target.partition_by", target.partition_by), ("target.keys", target.keys)):
        for name in names:
            if name not in shape.columns:
                raise unknown_name(f"column in {where}", name, shape.columns, code="UNKNOWN_COLUMN")
    if not set(shape.columns) - set(target.partition_by):
        raise SpecError(
            "no column is left to write beside the partition columns",
            hint="keep a column in clean.select, or mask fewer with kind: drop",
            code="NO_COLUMNS",
        )
    lost = plan.window is None or plan.window not in shape.columns or plan.window in masks
    if isinstance(spec.slice, WindowSlice) and target.mode == "replace" and lost:
        raise SpecError(
            f"the window column {spec.slice.column!r} is not in the table as it is: left out or masked, so that a later run could "
            "not tell which rows it replaces",
            hint="keep it in clean.select and without a mask, or use mode: merge",
            code="WINDOW_COLUMN_LOST",
        )
