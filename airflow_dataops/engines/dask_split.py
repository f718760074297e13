# SPDX-License-Identifier: Apache-2.0
"""A query over all rows as one over each part of them and one over what these return. Trees only: nothing runs here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.sql.dialects import call

PARTIAL = "_dataops_partial"
HASH = "_dataops_hash"
CANDIDATES = "_dataops_candidates"
_QUANTILE, _LOWEST = "dataops_quantile", "dataops_lowest"


@dataclass(frozen=True)
class Split:
    """A query in two steps.

    Attributes:
        each: Runs on each part.
        last: Runs on the rows of all, in the relation :data:`PARTIAL`; None where they are the result as they are.
        by: Columns of ``each``; the rows that agree on them come together before ``last``. None: all rows do.
    """

    each: exp.Query
    last: exp.Select | None = None
    by: tuple[str, ...] | None = None


def split(query: exp.Query, outputs: Callable[[exp.Query], list[str]]) -> Split:
    """Return how a query runs on parts.

    Args:
        query: Reads one relation in parts, and others whole in its joins and tests.
        outputs: Returns the names of a query's columns.

    Raises:
        DataOpsError: It cannot be run so (``DASK_QUERY``).
    """
    chain = list(_chain(query))
    top = chain[0]
    if top.args.get("offset"):
        raise _refused(query, "it leaves out rows by their number")
    windows = [place for place, select in enumerate(chain) if _windows(select)]
    if windows:
        return _by_window(query, chain, windows[-1], outputs)
    refuse_nested(chain[1:])
    if isinstance(top, exp.Select) and (top.args.get("group") or _aggregates(top)):
        return _aggregated(top)
    if top.args.get("distinct") or top.args.get("having"):
        raise _refused(query, "its first select is DISTINCT")
    return _ordered(query)


def tail(made: Split) -> exp.Select | None:
    """Return what is left to do on the rows of all buckets together: their order and their number; None where nothing is."""
    if made.last is None or made.by is None or not (made.last.args.get("order") or made.last.args.get("limit")):
        return None
    return _first_of(made.last)


def is_repeated(query: exp.Query) -> bool:
    """Return whether a query asks for the keys that occur more than once."""
    having = query.args.get("having")
    if not isinstance(query, exp.Select) or having is None or not query.args.get("group"):
        return False
    more = exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1))
    return bool(having.this.sql() == more.sql())


def hashes(query: exp.Select) -> exp.Select:
    """Return the hash of each key with the number of its rows."""
    key = _hash(query)
    counted = query.copy()
    for part in ("having", "order", "limit"):
        counted.set(part, None)
    counted.set("expressions", [exp.alias_(key, HASH), exp.alias_(exp.Count(this=exp.Star()), "n")])
    counted.set("group", exp.Group(expressions=[key.copy()]))
    return counted


def twice(relation: str = PARTIAL) -> exp.Select:
    """Return the hashes that occur more than once, from the results of :func:`hashes`."""
    more = exp.GT(this=exp.Sum(this=exp.column("n")), expression=exp.Literal.number(1))
    return exp.select(exp.column(HASH)).from_(relation).group_by(exp.column(HASH)).having(more)


def among(query: exp.Select) -> exp.Select:
    """Return the query over the rows whose key's hash is in the relation :data:`CANDIDATES`."""
    known = exp.select(exp.column(HASH)).from_(CANDIDATES)
    return query.where(exp.In(this=_hash(query), query=known.subquery()))


def _hash(query: exp.Select) -> exp.Expression:
    return call("HASH", *(key.copy() for key in query.args["group"].expressions))


def tables(tree: exp.Expr) -> set[str]:
    """Return the names of all relations in a tree."""
    return {node.name for node in tree.find_all(exp.Table)}


def source(query: exp.Query) -> exp.Expr | None:
    """Return what a select reads first; None where it reads nothing."""
    found = query.args.get("from_") or query.args.get("from")
    return None if found is None else found.this


def spine(query: exp.Query) -> set[str]:
    """Return the relations whose rows a query goes through; those of joins and of tests are others."""
    found: set[str] = set()
    for select in _chain(query):
        first = source(select)
        if isinstance(first, exp.Table):
            found.add(first.name)
    return found


def aside(query: exp.Query) -> set[str]:
    """Return the relations that a query reads beside those of :func:`spine`."""
    bare = query.copy()
    for node in [first for select in _chain(bare) if isinstance(first := source(select), exp.Table)]:
        node.replace(exp.to_table("_dataops_spine"))
    return tables(bare) - {"_dataops_spine"}


def refuse_nested(chain: list[exp.Query]) -> None:
    """Raise unless each select gives a row for a row.

    Raises:
        DataOpsError: ``DASK_QUERY``.
    """
    for select in chain:
        found = [name for name in ("group", "having", "distinct", "limit", "offset") if select.args.get(name)]
        if isinstance(select, exp.Union):
            if select.args.get("distinct"):
                raise _refused(select, "its UNION takes equal rows out")
        elif found or _aggregates(select) or _windows(select):
            raise _refused(select, f"an inner select has {found[0] if found else 'an aggregate or a window'}")


def chain_of(query: exp.Query) -> list[exp.Query]:
    """Return a query and those in its FROM, the outermost first."""
    return list(_chain(query))


def _chain(query: exp.Query) -> Iterator[exp.Query]:
    yield query
    if isinstance(query, exp.Union):
        yield from _chain(_inner(query.this))
        yield from _chain(_inner(query.expression))
        return
    first = source(query)
    if isinstance(first, exp.Subquery):
        yield from _chain(_inner(first))


def _inner(tree: exp.Expr) -> exp.Query:
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    if not isinstance(tree, exp.Query):
        raise TypeError(type(tree).__name__)
    return tree


def _own(select: exp.Query) -> Iterator[exp.Expr]:
    """Walk the expressions of one select, without those of the queries in it."""
    for part in ("expressions", "having", "qualify"):
        value = select.args.get(part)
        for tree in value if isinstance(value, list) else [value] if value is not None else []:
            yield from tree.walk(prune=lambda node: isinstance(node, exp.Query))


def _windows(select: exp.Query) -> list[exp.Window]:
    return [] if isinstance(select, exp.Union) else [node for node in _own(select) if isinstance(node, exp.Window)]


def _aggregates(select: exp.Query) -> bool:
    return not isinstance(select, exp.Union) and any(_is_aggregate(node) for node in _own(select))


def _is_aggregate(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return str(node.this) in (_QUANTILE, _LOWEST)
    return isinstance(node, exp.AggFunc | exp.Filter) and not isinstance(node.parent, exp.Window)


def _ordered(query: exp.Query) -> Split:
    """A part needs no order unless only its first rows count."""
    order, limit = query.args.get("order"), query.args.get("limit")
    each = query.copy()
    if order is None and limit is None:
        return Split(each)
    if limit is None:
        each.set("order", None)
    return Split(each, _first_of(query))


def _first_of(query: exp.Query) -> exp.Select:
    """Return a select of all that is there, in a query's order and up to its limit."""
    whole = exp.select(exp.Star()).from_(PARTIAL)
    for name in ("order", "limit"):
        node = query.args.get(name)
        whole.set(name, None if node is None else node.copy())
    return whole


def _by_window(
    query: exp.Query, chain: list[exp.Query], lowest: int, outputs: Callable[[exp.Query], list[str]]
) -> Split:
    """The rows below the lowest window are shuffled by what all windows are partitioned by; all else runs on whole keys."""
    refuse_nested(chain[lowest + 1 :])
    kept = [[node.name for node in window.args.get("partition_by") or []] for s in chain for window in _windows(s)]
    below = source(chain[lowest])
    if not isinstance(below, exp.Subquery):
        raise _refused(query, "a window stands on no select of its own")
    each = _inner(below).copy()
    there = set(outputs(each))
    common = [name for name in kept[0] if name in there and all(name in names for names in kept)]
    if not common:
        raise _refused(query, "its windows share no column by which rows could come together")
    last = query.copy()
    target = source(chain_of(last)[lowest])
    if target is None or not isinstance(last, exp.Select):
        raise _refused(query, "a window reads nothing")
    target.replace(exp.to_table(PARTIAL).as_(target.alias) if target.alias else exp.to_table(PARTIAL))
    return Split(each, last, tuple(common))


def _aggregated(query: exp.Select) -> Split:
    made = _Merge(query)
    group = query.args.get("group")
    last = exp.select(*made.projections()).from_(made.relation())
    if group:
        last = last.group_by(*(exp.column(name) for name in made.keys.values()))
    if query.args.get("having"):
        last = last.having(made.merged(query.args["having"].this))
    for name in ("order", "limit"):
        if query.args.get(name):
            last.set(name, query.args[name].copy())
    each = query.copy()
    for name in ("having", "order", "limit"):
        each.set(name, None)
    each.set("expressions", made.partials())
    return Split(each, last, tuple(made.keys.values()) if group else None)


class _Merge:
    """Partial aggregates of a select, and what becomes of them."""

    def __init__(self, query: exp.Select) -> None:
        self.query = query
        group = query.args.get("group")
        self.keys = {tree.sql(): f"_k{i}" for i, tree in enumerate(group.expressions if group else [])}
        self._keys = list(group.expressions) if group else []
        self._partial: dict[str, tuple[str, exp.Expression]] = {}
        self._means: list[tuple[str, str, str]] = []
        self._projected = [self._project(tree) for tree in query.expressions]

    def projections(self) -> list[exp.Expression]:
        """Return the select list over the merged rows."""
        return self._projected

    def partials(self) -> list[exp.Expression]:
        """Return the select list over a part."""
        keys = [_named(tree.copy(), self.keys[tree.sql()]) for tree in self._keys]
        return [*keys, *(_named(tree, name) for name, tree in self._partial.values())]

    def relation(self) -> exp.Expr:
        """Return the relation of the partial rows, with the mean of all rows beside each part's."""
        if not self._means:
            return exp.to_table(PARTIAL)
        keys = [exp.column(name) for name in self.keys.values()]

        def over(tree: exp.Expression) -> exp.Expression:
            return exp.Window(this=exp.Sum(this=tree), partition_by=[key.copy() for key in keys])

        made = exp.select(exp.Star())
        for name, count, mean in self._means:
            rows = exp.Nullif(this=over(exp.column(count)), expression=exp.Literal.number(0))
            total = over(exp.Mul(this=exp.column(count), expression=exp.column(mean)))
            made = made.select(exp.alias_(exp.Div(this=total, expression=rows, typed=False, safe=False), name))
        return made.from_(PARTIAL).subquery("partial")

    def merged(self, tree: exp.Expr) -> exp.Expression:
        """Return an expression over groups as one over the merged rows."""
        return tree.copy().transform(self._replaced)

    def _project(self, tree: exp.Expr) -> exp.Expression:
        return _named(self.merged(tree.unalias()), tree.alias_or_name, quoted=True)

    def _replaced(self, node: exp.Expression) -> exp.Expression:
        if node.sql() in self.keys:
            return exp.column(self.keys[node.sql()])
        if isinstance(node, exp.Filter):
            return self._merge(node.this, node.expression.this)
        if _is_aggregate(node):
            return self._merge(node, None)
        if isinstance(node, exp.Column):
            raise _refused(self.query, f"{node.sql()} is neither aggregated nor grouped by")
        return node

    def _add(self, tree: exp.Expression, where: exp.Expression | None) -> str:
        """Return the name of a partial aggregate; equal ones share it."""
        if where is not None:
            tree = exp.Filter(this=tree, expression=exp.Where(this=where.copy()))
        return self._partial.setdefault(tree.sql(), (f"_p{len(self._partial)}", tree))[0]

    def _merge(self, node: exp.Expression, where: exp.Expression | None) -> exp.Expression:
        if isinstance(node.this, exp.Distinct):
            raise _refused(self.query, f"{node.sql()} counts a value of two parts twice")
        if isinstance(node, exp.Count | exp.CountIf | exp.Sum):
            return exp.Sum(this=exp.column(self._add(node.copy(), where)))
        if isinstance(node, exp.Min | exp.Max):
            return type(node)(this=exp.column(self._add(node.copy(), where)))
        if isinstance(node, exp.Avg):
            total, count = (self._add(kind(this=node.this.copy()), where) for kind in (exp.Sum, exp.Count))
            rows = exp.Nullif(this=exp.Sum(this=exp.column(count)), expression=exp.Literal.number(0))
            whole = exp.cast(exp.Sum(this=exp.column(total)), "DOUBLE")
            return exp.Div(this=whole, expression=rows, typed=False, safe=False)
        if isinstance(node, exp.StddevSamp):
            return self._deviation(node, where)
        if isinstance(node, exp.Median):
            return call("LIST_AGGREGATE", self._gathered(node.this, where), exp.Literal.string("median"))
        if isinstance(node, exp.Anonymous) and str(node.this) == _QUANTILE:
            value, share = node.expressions
            return call(
                "LIST_AGGREGATE", self._gathered(value, where), exp.Literal.string("quantile_disc"), share.copy()
            )
        if isinstance(node, exp.Anonymous) and str(node.this) == _LOWEST:
            lists = call("FLATTEN", call("LIST", exp.column(self._add(node.copy(), where))))
            return call("LIST_SLICE", call("LIST_SORT", lists), exp.Literal.number(1), node.expressions[1].copy())
        raise _refused(self.query, f"{node.sql()} cannot be merged")

    def _gathered(self, value: exp.Expression, where: exp.Expression | None) -> exp.Expression:
        present: exp.Expression = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
        test = present if where is None else exp.And(this=exp.paren(where.copy()), expression=present)
        return call("FLATTEN", call("LIST", exp.column(self._add(call("LIST", value.copy()), test))))

    def _deviation(self, node: exp.StddevSamp, where: exp.Expression | None) -> exp.Expression:
        """Chan's formula: the squares of each part about its own mean, and of the parts' means about the mean of all."""
        value = exp.cast(node.this.copy(), "DOUBLE")
        count = self._add(exp.Count(this=node.this.copy()), where)
        mean = self._add(exp.Avg(this=value), where)
        spread = self._add(exp.VariancePop(this=value.copy()), where)
        whole = f"_m{len(self._means)}"
        self._means.append((whole, count, mean))
        n, far = exp.column(count), exp.Paren(this=exp.Sub(this=exp.column(mean), expression=exp.column(whole)))
        squares = exp.Add(this=exp.column(spread), expression=exp.Mul(this=far, expression=far.copy()))
        total = exp.Sum(this=exp.Mul(this=n, expression=exp.Paren(this=squares)))
        less = exp.Sub(this=exp.Sum(this=n.copy()), expression=exp.Literal.number(1))
        above = exp.If(this=exp.GT(this=less.copy(), expression=exp.Literal.number(0)), true=exp.Paren(this=less))
        return exp.Sqrt(this=exp.Div(this=total, expression=exp.Case(ifs=[above]), typed=False, safe=False))


def _named(tree: exp.Expr, name: str, *, quoted: bool = False) -> exp.Expression:
    return cast("exp.Expression", exp.alias_(tree, name, quoted=quoted))


def _refused(query: exp.Expr, why: str) -> DataOpsError:
    return DataOpsError(
        f"a query cannot be run on parts of its rows: {why}: {query.sql(dialect='duckdb')[:300]}",
        hint="run this job with engine: duckdb; please report it, since every query of gate, refine and publish should split",
        code="DASK_QUERY",
    )


__all__ = [
    "CANDIDATES",
    "HASH",
    "PARTIAL",
    "Split",
    "among",
    "aside",
    "chain_of",
    "hashes",
    "is_repeated",
    "refuse_nested",
    "source",
    "spine",
    "split",
    "tables",
    "tail",
    "twice",
]
