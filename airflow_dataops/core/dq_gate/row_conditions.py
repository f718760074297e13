# SPDX-License-Identifier: Apache-2.0
"""The condition that picks a rule's rows, in the languages that suites carry it in, as a tree over the table's columns."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from airflow_dataops.core.dq_gate import trees
from airflow_dataops.core.dq_gate.rows import literal
from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.sql.expressions import parse_condition

_GX_TEXT = re.compile(
    r"""^\s*col\("(?P<column>[^"]+)"\)\s*
    (?:(?P<notnull>\.notnull\(\))
      |(?P<op>==|!=|<=|>=|<|>)\s*(?:(?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<date>date\(\s*)?(?P<quote>["'])(?P<text>[^"']*)(?P=quote)(?(date)\s*\)))
    )\s*$""",
    re.VERBOSE | re.IGNORECASE,
)
_OPERATORS: dict[str, type[exp.Binary]] = {
    "==": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}
_PYTHON: dict[type[ast.cmpop], type[exp.Binary]] = {
    ast.Eq: exp.EQ,
    ast.NotEq: exp.NEQ,
    ast.Lt: exp.LT,
    ast.LtE: exp.LTE,
    ast.Gt: exp.GT,
    ast.GtE: exp.GTE,
}
_NULL_TESTS = {"isnull": True, "isna": True, "notnull": False, "notna": False}


def compile_row_condition(
    condition: str | dict[str, Any], parser: str, columns: Mapping[str, str] | None
) -> exp.Expression:
    """Return the tree of a ``row_condition``.

    Args:
        condition: SQL, Great Expectations' text (``col("a") == 5``), its tree of 1.x as a dict, or an expression of pandas' ``query``.
        parser: ``sql``, ``spark``, ``pandas`` or ``great_expectations``; a dict needs none.
        columns: Column -> canonical type; None where they are not known.

    Raises:
        SpecError: It cannot be read (``BAD_EXPRESSION``) or names an unknown column (``UNKNOWN_COLUMN``).
    """
    if isinstance(condition, dict):
        return _tree(condition, parser, columns)
    if parser in ("sql", "spark"):
        return parse_condition(condition, columns)
    return _pandas(condition, columns) if parser == "pandas" else _gx_text(condition, columns)


def _tree(node: Any, parser: str, columns: Mapping[str, str] | None) -> exp.Expression:
    kind = node.get("type") if isinstance(node, dict) else None
    if kind in ("and", "or"):
        parts = [exp.paren(_tree(part, parser, columns), copy=False) for part in node.get("conditions") or []]
        if parts:
            return trees.all_of(parts) if kind == "and" else trees.any_of(parts)
    elif kind == "nullity":
        return _null_test(_column_of(node, columns), is_null=bool(node.get("is_null")))
    elif kind == "comparison":
        return _comparison(node, columns)
    elif kind == "pass_through" and isinstance(node.get("pass_through_filter"), str):
        # What 1.x makes of a text that it hands to pandas or Spark as it is.
        return compile_row_condition(node["pass_through_filter"], "pandas" if parser == "pandas" else "sql", columns)
    raise _bad(node, 'write {"type": "comparison", "column": {"name": "a"}, "operator": "==", "parameter": 5}')


def _comparison(node: dict[str, Any], columns: Mapping[str, str] | None) -> exp.Expression:
    column, operator, value = _column_of(node, columns), node.get("operator"), node.get("parameter")
    if operator in ("IN", "NOT_IN") and isinstance(value, list):
        if not value:
            return exp.false() if operator == "IN" else exp.true()
        found = exp.In(this=column, expressions=[_value(item, column, columns) for item in value])
        return exp.Not(this=found) if operator == "NOT_IN" else found
    if operator in _OPERATORS:
        return trees.compared(_OPERATORS[operator], column, _value(value, column, columns))
    raise _bad(node, f"operators are {', '.join(_OPERATORS)}, IN and NOT_IN")


def _gx_text(text: str, columns: Mapping[str, str] | None) -> exp.Expression:
    found = _GX_TEXT.match(text)
    if not found:
        raise _bad(
            text, """write col("a") == 5, col("a") != 'x', col("a") <= date("2024-01-31") or col("a").notnull()"""
        )
    column = _column(found["column"], columns)
    if found["notnull"]:
        return _null_test(column, is_null=False)
    value: Any = found["text"]
    if found["number"] is not None:
        value = float(found["number"]) if re.search(r"[.eE]", found["number"]) else int(found["number"])
    return trees.compared(_OPERATORS[found["op"]], column, _value(value, column, columns, found["date"] is not None))


def _pandas(text: str, columns: Mapping[str, str] | None) -> exp.Expression:
    names: dict[str, str] = {}

    def plain(found: re.Match[str]) -> str:
        names[f"quoted_column_{len(names)}"] = found[1]
        return f"quoted_column_{len(names) - 1}"

    # Outside of strings, `&` and `|` bind as pandas reads them: weaker than comparisons.
    source = re.sub(r"`([^`]+)`", plain, text)
    source = _outside_strings(
        source, lambda part: part.replace("&", " and ").replace("|", " or ").replace("~", " not ")
    )
    try:
        parsed = ast.parse(source.strip(), mode="eval").body
        return _python(parsed, names, columns)
    except (SyntaxError, ValueError, RecursionError, MemoryError, KeyError) as error:
        hint = "comparisons of columns and values, in, and, or, not, .isnull() and .notnull() are; or use condition_parser: spark with SQL"
        raise _bad(text, hint) from error


def _outside_strings(text: str, change: Callable[[str], str]) -> str:
    parts = re.split(r"""("[^"]*"|'[^']*')""", text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))


def _python(node: ast.expr, names: Mapping[str, str], columns: Mapping[str, str] | None) -> exp.Expression:
    if isinstance(node, ast.BoolOp):
        parts = [exp.paren(_python(part, names, columns), copy=False) for part in node.values]
        return trees.all_of(parts) if isinstance(node.op, ast.And) else trees.any_of(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return exp.Not(this=exp.paren(_python(node.operand, names, columns), copy=False))
    if isinstance(node, ast.Name):
        return _column(names.get(node.id, node.id), columns)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        if node.args or node.keywords:
            raise ValueError("a call with arguments")
        target = node.func.value.id
        return _null_test(_column(names.get(target, target), columns), is_null=_NULL_TESTS[node.func.attr])
    if isinstance(node, ast.Compare):
        return _python_compare(node, names, columns)
    raise ValueError(f"{type(node).__name__} is not allowed")


def _python_compare(node: ast.Compare, names: Mapping[str, str], columns: Mapping[str, str] | None) -> exp.Expression:
    tests: list[exp.Expression] = []
    for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
        a, b = (None if _is_value(side) else _python(side, names, columns) for side in (left, right))
        like = a if isinstance(a, exp.Column) else b
        if not isinstance(like, exp.Column):
            raise SyntaxError("a comparison needs a column")  # noqa: TRY004 - read with the other faults of the text
        if isinstance(operator, ast.In | ast.NotIn):
            found: exp.Expression = exp.In(
                this=a, expressions=[_value(item, like, columns) for item in ast.literal_eval(right)]
            )
            tests.append(exp.Not(this=found) if isinstance(operator, ast.NotIn) else found)
            continue
        sides = [made or _value(ast.literal_eval(side), like, columns) for made, side in ((a, left), (b, right))]
        tests.append(trees.compared(_PYTHON[type(operator)], sides[0].copy(), sides[1].copy()))
    return trees.all_of(tests)


def _is_value(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Set | ast.UnaryOp)


def _value(value: Any, column: exp.Column, columns: Mapping[str, str] | None, is_date: bool = False) -> exp.Expression:
    if not isinstance(value, bool | int | float | str):
        raise _bad(value, "a value is a number, a text, true or false")
    kind = (columns or {}).get(column.name, "timestamp" if is_date else "string")
    if columns is not None and isinstance(value, str) and kind != "string":
        value = _as_kind(value, kind)
    try:
        return literal(value, kind)
    except ValueError:
        raise _bad(value, f"a value of {column.name} ({kind}) is wanted") from None


def _as_kind(text: str, kind: str) -> Any:
    """Return a quoted number as the number that a numeric column is compared with, as Great Expectations does."""
    for read in (int, float):
        try:
            return read(text) if kind not in ("date", "timestamp", "timestamptz", "boolean") else text
        except ValueError:
            continue
    return text


def _column_of(node: dict[str, Any], columns: Mapping[str, str] | None) -> exp.Column:
    column = node.get("column")
    name = column.get("name") if isinstance(column, dict) else column
    if not isinstance(name, str):
        raise _bad(node, 'a column is {"name": "a"}')
    return _column(name, columns)


def _column(name: str, columns: Mapping[str, str] | None) -> exp.Column:
    if columns is not None and name not in columns:
        raise unknown_name("column", name, columns, code="UNKNOWN_COLUMN")
    return trees.column(name)


def _null_test(column: exp.Column, *, is_null: bool) -> exp.Expression:
    return trees.is_null(column) if is_null else trees.not_null(column)


def _bad(received: Any, hint: str) -> SpecError:
    return SpecError(f"row_condition {received!r} cannot be read", hint=hint, code="BAD_EXPRESSION")
