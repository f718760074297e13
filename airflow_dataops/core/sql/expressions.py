# SPDX-License-Identifier: Apache-2.0
"""The expression language of conditions and derived columns: SQL text in, a checked tree out.

sqlglot reads the text; every node of what it read is then built anew from an allow-list (:mod:`._compile`), so that nothing of the
text reaches an engine that this package does not know. No subquery, aggregate, window, statement, clock or random number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]  # re-exported there in every version

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql._compile import Compiler
from airflow_dataops.core.sql._typed import Typed
from airflow_dataops.core.sql.types import canonical

_LONGEST = 10_000
_DEEPEST = 60


# No name can hold a colon, so what begins so was written as a call.
_CALL = "fn:"
_SPECIAL = ("CAST", "TRY_CAST", "EXTRACT", "EXISTS")
_ENDS_A_VALUE = frozenset(
    {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.STRING, TokenType.NUMBER, TokenType.VAR, TokenType.IDENTIFIER, TokenType.END,
     TokenType.NULL, TokenType.TRUE, TokenType.FALSE}
)  # fmt: skip
_BEGINS_A_TYPE = frozenset({TokenType.ALIAS, TokenType.DCOLON})


def parse_condition(text: str, columns: Mapping[str, str] | None) -> exp.Expression:
    """Return the tree of a boolean expression.

    Args:
        text: The author's SQL.
        columns: Column -> canonical type; None where the columns are not known (then names and types are not checked).

    Raises:
        SpecError: It cannot be read, uses what the language does not have, or is not boolean (``BAD_EXPRESSION``); names an unknown
            column (``UNKNOWN_COLUMN``) or function (``UNKNOWN_FUNCTION``); has a bad type or regular expression. ``details`` holds
            the ``offset`` of the fault in ``text``, counted in characters from 0.
    """
    made = _parse(text, columns)
    if made.type not in (None, "boolean"):
        raise SpecError(
            f"{text!r} is not a condition: it gives {made.type}, not true or false",
            hint="compare it with something: `… > 0`, `… is not null`",
            code="BAD_EXPRESSION",
            details={"offset": 0},
        )
    return made.tree


def parse_scalar(text: str, columns: Mapping[str, str] | None) -> exp.Expression:
    """Return the tree of an expression of any type; arguments and errors as :func:`parse_condition`."""
    return _parse(text, columns).tree


def parse_source(text: str) -> exp.Expr:
    """Return the tree of an expression as its author wrote it, once it is known to be of the language.

    For who evaluates it without an engine, and wants none of what :func:`parse_scalar` pins for engines. Errors as there.
    """
    _parse(text, None)
    return _read(text)


def scalar_type(text: str, columns: Mapping[str, str] | None) -> str | None:
    """Return the canonical type that an expression gives, as far as it is known without an engine."""
    return _parse(text, columns).type


def columns_of(tree: exp.Expression) -> list[str]:
    """Return the names of the columns that a tree reads, each once, in order of appearance."""
    return list(dict.fromkeys(column.name for column in tree.find_all(exp.Column, bfs=False)))


def _parse(text: str, columns: Mapping[str, str] | None) -> Typed:
    if not str(text).strip():
        raise _bad(f"an expression must be a text with something in it; got {text!r}", 0)
    if len(text) > _LONGEST:
        raise _bad(f"an expression may have {_LONGEST} characters; this one has {len(text)}", _LONGEST)
    known = None if columns is None else {name: canonical(kind) for name, kind in columns.items()}
    try:
        return Compiler(text, known).compile(_read(text))
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        offset = _offset(text, first.get("line"), first.get("col"), len(first.get("highlight") or ""))
        near = f" near {first['highlight']!r}" if first.get("highlight") else ""
        reason = str(first.get("description") or error)
        if reason.startswith("Required keyword"):
            reason, near = "something is missing", near.replace("near", "after")
        raise _bad(f"cannot read {text!r}{near}: {reason}", offset) from error
    except (SqlglotError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise _bad(f"cannot read {text!r}: {reason}", 0) from error


def _read(text: str) -> exp.Expr:
    """Read by DuckDB's grammar, with all functions left as names, so that only the table of functions decides what they are.

    The names are changed in the tokens: a parser of our own cannot inherit from sqlglot's where that is compiled (``sqlglot[c]``).
    """
    tokens = DuckDB().tokenize(text)
    _check_depth(tokens)
    try:
        trees = DuckDB().parser().parse_into(exp.Condition, _calls_as_names(tokens), text)
    except TypeError as error:  # compiled, it raises this where an operand is missing at the start
        raise _bad(f"cannot read {text!r}: something is missing", 0) from error
    parsed = trees[0] if trees else None
    if parsed is None:
        raise _bad(f"cannot read {text!r}: there is no expression in it", 0)
    for call in parsed.find_all(exp.Anonymous):
        call.set("this", str(call.this).removeprefix(_CALL))
    return parsed


def _calls_as_names(tokens: Sequence[Token]) -> list[Token]:
    """Give each function's name, and each function that is called without parentheses, the form of a name that no grammar knows."""
    made: list[Token] = []
    for place, token in enumerate(tokens):
        before = tokens[place - 1].token_type if place else None
        called = place + 1 < len(tokens) and tokens[place + 1].token_type == TokenType.L_PAREN
        if token.token_type in DuckDB.parser_class.NO_PAREN_FUNCTIONS and not called:
            made.append(_named(token, token.text))
        elif (
            called
            and token.token_type in DuckDB.parser_class.FUNC_TOKENS
            and token.text.upper() not in _SPECIAL
            and before not in _ENDS_A_VALUE
            and before not in _BEGINS_A_TYPE
        ):
            made.append(_named(token, _CALL + token.text))
        else:
            made.append(token)
    return made


def _named(token: Token, name: str) -> Token:
    return Token(TokenType.VAR, name, token.line, token.col, token.start, token.end)


def _check_depth(tokens: Iterable[Token]) -> None:
    depth = 0
    for token in tokens:
        if token.token_type in (TokenType.L_PAREN, TokenType.CASE, TokenType.L_BRACKET):
            depth += 1
            if depth > _DEEPEST:
                raise _bad(f"an expression may be nested {_DEEPEST} deep", token.start)
        elif token.token_type in (TokenType.R_PAREN, TokenType.END, TokenType.R_BRACKET):
            depth -= 1
        elif token.token_type == TokenType.SEMICOLON:
            raise _bad("one expression is wanted; `;` is not part of it", token.start)


def _offset(text: str, line: int | None, column: int | None, length: int) -> int:
    if not line or not column:
        return 0
    before = sum(len(part) for part in text.splitlines(keepends=True)[: line - 1])
    return max(0, min(before + column - length, len(text) - 1))


def _bad(message: str, offset: int) -> SpecError:
    return SpecError(message, code="BAD_EXPRESSION", details={"offset": offset})
