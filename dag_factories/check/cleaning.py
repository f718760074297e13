# SPDX-License-Identifier: Apache-2.0
"""The cleaning steps in their order: columns that are there by then, types, and expressions that can be compiled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_dataops.core.errors import SpecError, did_you_mean
from airflow_dataops.core.refine.cleaning import CastSpec, CleanSpec
from airflow_dataops.core.sql.simple import columns_of_condition
from airflow_dataops.core.sql.types import canonical
from dag_factories.specs.base import Path, Problem

Columns = dict[str, str | None]


class Flow:
    """The columns on their way through the cleaning.

    Args:
        columns: Column -> canonical type of the source, None for a type that is not known; None where no column is known.
    """

    def __init__(self, columns: Columns | None) -> None:
        self.columns = None if columns is None else dict(columns)

    def check(self, clean: CleanSpec) -> Iterator[Problem]:
        """Yield what is wrong with the steps; afterwards :attr:`columns` are those of the cleaned table."""
        yield from self._names(clean.select or [], ("clean", "select"))
        if clean.select is not None and self.columns is not None:
            self.columns = {name: self.columns.get(name) for name in clean.select}
        yield from self._rename(clean)
        yield from self._cast(clean)
        yield from self._names([name for name in clean.trim if name != "*"], ("clean", "trim"), clean.trim)
        yield from self._keys(clean.fill, ("clean", "fill"))
        yield from self._names(clean.drop_nulls, ("clean", "drop_nulls"))
        for index, text in enumerate(clean.keep_if):
            yield from self._expression(text, ("clean", "keep_if", index), condition=True)
        for name, text in clean.derive.items():
            yield from self._expression(text, ("clean", "derive", name), condition=False, makes=name)
        yield from self._dedup(clean)

    def unknown(self, name: str, path: Path, *, on_key: bool = False, offset: int | None = None) -> Iterator[Problem]:
        """Yield a problem where the columns are known and ``name`` is none of them."""
        if self.columns is not None and name not in self.columns:
            listed = ", ".join(list(self.columns)[:30]) + (" …" if len(self.columns) > 30 else "")
            message = f"unknown column {name!r}; there are: {listed}"
            hint = did_you_mean(name, self.columns)
            yield Problem(path, "UNKNOWN_COLUMN", message, hint, on_key=on_key, offset=offset)

    def _names(self, names: Iterable[str], path: Path, written: list[str] | None = None) -> Iterator[Problem]:
        names = list(names)
        for name in names:
            yield from self.unknown(name, (*path, (written or names).index(name)))

    def _keys(self, names: Iterable[str], path: Path) -> Iterator[Problem]:
        for name in names:
            yield from self.unknown(name, (*path, name), on_key=True)

    def _rename(self, clean: CleanSpec) -> Iterator[Problem]:
        yield from self._keys(clean.rename, ("clean", "rename"))
        if self.columns is None:
            return
        stay = [name for name in self.columns if name not in clean.rename]
        for old, new in clean.rename.items():
            if new in stay:
                message = f"there is a column {new!r} already"
                yield Problem(("clean", "rename", old), "BAD_VALUE", message, "choose another name")
        self.columns = {clean.rename.get(name, name): kind for name, kind in self.columns.items()}

    def _cast(self, clean: CleanSpec) -> Iterator[Problem]:
        yield from self._keys(clean.cast, ("clean", "cast"))
        for name, cast in clean.cast.items():
            path: Path = ("clean", "cast", name, "type") if isinstance(cast, CastSpec) else ("clean", "cast", name)
            kind, problem = checked_type(cast.type if isinstance(cast, CastSpec) else cast, path)
            if problem is not None:
                yield problem
            if self.columns is not None:
                self.columns[name] = kind

    def _expression(self, text: str, path: Path, *, condition: bool, makes: str | None = None) -> Iterator[Problem]:
        types = None if self.columns is None else {name: of for name, of in self.columns.items() if of is not None}
        known = types if types is not None and self.columns is not None and len(types) == len(self.columns) else None
        plain = columns_of_condition(text, known) if condition else None
        if plain is not None:
            yield from self._read(plain, text, path) if known is None else ()
            return
        from airflow_dataops.core.sql import expressions

        kind = None
        try:
            tree = (expressions.parse_condition if condition else expressions.parse_scalar)(text, known)
            if makes is not None and known is not None:
                kind = expressions.scalar_type(text, known)
            yield from self._read(expressions.columns_of(tree), text, path) if known is None else ()
        except SpecError as error:
            yield Problem(path, error.code, error.message, error.hint, offset=error.details.get("offset"))
        if makes is not None and self.columns is not None:
            self.columns[makes] = kind

    def _read(self, names: list[str], text: str, path: Path) -> Iterator[Problem]:
        for name in names:
            at = text.lower().find(name.lower())
            yield from self.unknown(name, path, offset=at if at > 0 else None)

    def _dedup(self, clean: CleanSpec) -> Iterator[Problem]:
        dedup = clean.dedup
        if dedup is None:
            return
        yield from self._names(dedup.keys, ("clean", "dedup", "keys"))
        order = [name.removeprefix("-") for name in dedup.order_by]
        yield from self._names(order, ("clean", "dedup", "order_by"))
        if dedup.event_time is not None:
            yield from self.unknown(dedup.event_time, ("clean", "dedup", "event_time"))


def checked_type(text: str, path: Path) -> tuple[str | None, Problem | None]:
    """Return the canonical type that a text names, or the problem that it names none."""
    try:
        return canonical(text), None
    except SpecError as error:
        return None, Problem(path, error.code, error.message, error.hint)
