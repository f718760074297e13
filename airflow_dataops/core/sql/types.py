# SPDX-License-Identifier: Apache-2.0
"""Canonical column types: one set of names, whatever the engine calls them.

``boolean tinyint smallint integer bigint float double decimal(p, s) string date timestamp timestamptz time binary interval``,
``list<T>``, ``map<K, V>`` and ``struct<a: T, b: T>``. A ``timestamp`` has no zone and is meant in UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_dataops.core.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from sqlglot import exp

# Canonical name -> sqlglot's. The names on the left are what authors, results and pages show.
SCALARS: dict[str, str] = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INT",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "TEXT",
    "date": "DATE",
    "timestamp": "TIMESTAMPNTZ",
    "timestamptz": "TIMESTAMPTZ",
    "time": "TIME",
    "binary": "VARBINARY",
    "interval": "INTERVAL",
}
ALIASES = {
    "bool": "boolean",
    "byte": "tinyint",
    "short": "smallint",
    "int": "integer",
    "long": "bigint",
    "real": "float",
    "text": "string",
    "str": "string",
    "varchar": "string",
    "datetime": "timestamp",
    "bytes": "binary",
    "blob": "binary",
    "numeric": "decimal",
    "array": "list",
}
INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_NESTED = ("list", "map", "struct")
# Engine types without a canonical twin -> the narrowest one that holds every value.
_WIDENED = {
    "CHAR": "string",
    "VARCHAR": "string",
    "NVARCHAR": "string",
    "UUID": "string",
    "ENUM": "string",
    "JSON": "string",
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINT": "bigint",
    "UBIGINT": "decimal(20, 0)",
    "INT128": "decimal(38, 0)",
    "UINT128": "decimal(38, 0)",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMPLTZ": "timestamptz",
    "BINARY": "binary",
    "BIT": "string",
    "NULL": "string",
    "TIMETZ": "time",
}
_LONGEST, _DEEPEST = 20_000, 50
_TOKEN = re.compile(r'\s*(?:(?P<word>\w+)|"(?P<quoted>(?:[^"]|"")+)"|(?P<mark>[<>(),:]))')


@dataclass(frozen=True)
class _Type:
    """A parsed type: its name, the types inside with their field names, and the numbers of a decimal."""

    name: str
    inner: tuple[_Type, ...] = ()
    fields: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.numbers[0]}, {self.numbers[1]})"
        if self.name == "struct":
            inside = (f"{_field(name)}: {kind}" for name, kind in zip(self.fields, self.inner, strict=True))
            return f"struct<{', '.join(inside)}>"
        return f"{self.name}<{', '.join(map(str, self.inner))}>" if self.inner else self.name


def canonical(text: str) -> str:
    """Return the canonical spelling of a type (``int`` -> ``integer``); loads no SQL library.

    Raises:
        SpecError: The type is unknown or its arguments are not valid (``UNKNOWN_TYPE``).
    """
    return str(_parse(text))


def parse_type(text: str) -> exp.DataType:
    """Return the type tree of a canonical type or one of its aliases.

    Raises:
        SpecError: The type is unknown or its arguments are not valid (``UNKNOWN_TYPE``).
    """
    return _tree(_parse(text))


def type_name(tree: exp.DataType) -> str:
    """Return the canonical text of a type tree, whichever dialect it was parsed from.

    Raises:
        SpecError: There is no canonical type that holds its values (``UNKNOWN_TYPE``).
    """
    return str(_from_tree(tree))


def from_engine(text: str, dialect: str) -> str:
    """Return the canonical type of what an engine calls ``text`` (``TIMESTAMP WITH TIME ZONE`` -> ``timestamptz``).

    Unsigned integers become the next wider signed type, identifiers and enumerations become ``string``.

    Args:
        text: The engine's name of the type.
        dialect: ``duckdb`` or ``spark``.

    Raises:
        SpecError: There is no canonical type for it (``UNKNOWN_TYPE``).
    """
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    bare = text.strip().strip('"').upper()
    if bare in ("NULL", "VOID"):
        return "string"
    try:
        tree = exp.DataType.build(text, dialect=dialect)
    except SqlglotError as error:
        raise _unknown(text) from error
    return type_name(tree)


def base_name(text: str) -> str:
    """Return a canonical type's name without its arguments: ``decimal(10, 2)`` -> ``decimal``."""
    return re.split(r"[(<]", text, maxsplit=1)[0].strip()


def is_numeric(text: str) -> bool:
    """True for integers, floats and decimals."""
    return base_name(text) in (*INTEGERS, "float", "double", "decimal")


def is_text(text: str) -> bool:
    """True for ``string``."""
    return base_name(text) == "string"


def is_temporal(text: str) -> bool:
    """True for ``date``, ``timestamp`` and ``timestamptz``."""
    return base_name(text) in ("date", "timestamp", "timestamptz")


def is_nested(text: str) -> bool:
    """True for lists, maps and structs."""
    return base_name(text) in _NESTED


def struct_fields(text: str) -> dict[str, str]:
    """Return field -> canonical type of a struct; empty for every other type."""
    parsed = _parse(text)
    return {name: str(kind) for name, kind in zip(parsed.fields, parsed.inner, strict=False)}


def _parse(text: str) -> _Type:
    tokens = _tokens(text)
    parsed, rest = _one(tokens, text)
    if rest:
        raise _unknown(text)
    return parsed


def _tokens(text: str) -> list[str]:
    if len(text) > _LONGEST or text.count("<") > _DEEPEST:
        raise SpecError(f"a type of {len(text)} characters is too long or too deep", code="UNKNOWN_TYPE")
    tokens, position = [], 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None:
            raise _unknown(text)
        quoted = found.group("quoted")
        tokens.append(found.group("word") or found.group("mark") or '"' + quoted.replace('""', '"'))
        position = found.end()
    return tokens


def _one(tokens: list[str], text: str) -> tuple[_Type, list[str]]:
    if not tokens:
        raise _unknown(text)
    name = tokens[0].lower()
    name = ALIASES.get(name, name)
    rest = tokens[1:]
    if name in SCALARS:
        return _Type(name), rest
    if name == "decimal":
        return _decimal(rest, text)
    if name not in _NESTED or rest[:1] != ["<"]:
        raise _unknown(text, name)
    inner, fields, rest = _inside(name, rest[1:], text)
    if len(inner) != {"list": 1, "map": 2}.get(name, len(inner)) or len({f.lower() for f in fields}) != len(fields):
        raise _unknown(text)
    return _Type(name, tuple(inner), tuple(fields)), rest


def _inside(name: str, rest: list[str], text: str) -> tuple[list[_Type], list[str], list[str]]:
    inner: list[_Type] = []
    fields: list[str] = []
    while True:
        if name == "struct":
            if len(rest) < 2 or rest[0] in "<>(),:":
                raise _unknown(text)
            fields.append(rest[0].removeprefix('"'))
            rest = rest[2:] if rest[1] == ":" else rest[1:]
        kind, rest = _one(rest, text)
        inner.append(kind)
        if rest[:1] == [">"]:
            return inner, fields, rest[1:]
        if rest[:1] != [","]:
            raise _unknown(text)
        rest = rest[1:]


def _decimal(rest: list[str], text: str) -> tuple[_Type, list[str]]:
    shape = [*rest[:5], "", "", "", "", ""]
    numbers = shape[1:4:2]
    if shape[0] == "(" and shape[2] == "," and shape[4] == ")" and all(n.isascii() and n.isdigit() for n in numbers):
        precision, scale = (int(n[:4]) for n in numbers)
        if 1 <= precision <= 38 and scale <= precision:
            return _Type("decimal", numbers=(precision, scale)), rest[5:]
    raise SpecError(
        f"type {text!r}: a decimal needs digits 1..38 and a scale up to them; each engine has another default",
        hint="write decimal(18, 2)",
        code="UNKNOWN_TYPE",
    )


def _tree(kind: _Type) -> exp.DataType:
    from sqlglot import exp

    names = exp.DataType.Type
    if kind.name == "decimal":
        digits = [exp.DataTypeParam(this=exp.Literal.number(n)) for n in kind.numbers]
        return exp.DataType(this=names.DECIMAL, expressions=digits, nested=False)
    if kind.name == "struct":
        columns = [
            exp.ColumnDef(this=exp.to_identifier(field, quoted=True), kind=_tree(inner))
            for field, inner in zip(kind.fields, kind.inner, strict=True)
        ]
        return exp.DataType(this=names.STRUCT, expressions=columns, nested=True)
    if kind.inner:
        nested = names.ARRAY if kind.name == "list" else names.MAP
        return exp.DataType(this=nested, expressions=[_tree(inner) for inner in kind.inner], nested=True)
    return exp.DataType(this=names[SCALARS[kind.name]], nested=False)


def _from_tree(tree: exp.DataType) -> _Type:
    name = getattr(tree.this, "name", str(tree.this))
    for ours, theirs in SCALARS.items():
        if name == theirs:
            return _Type(ours)
    if name in _WIDENED:
        return _parse(_WIDENED[name])
    if name == "DECIMAL":
        digits = [int(param.this.this) for param in tree.expressions] or [18, 3]
        return _Type("decimal", numbers=(digits[0], digits[1] if len(digits) > 1 else 0))
    if name in ("ARRAY", "LIST", "MAP"):
        return _Type("map" if name == "MAP" else "list", tuple(_from_tree(inner) for inner in tree.expressions))
    if name == "STRUCT":
        kinds = tuple(_from_tree(column.args["kind"]) for column in tree.expressions)
        return _Type("struct", kinds, tuple(column.this.name for column in tree.expressions))
    raise _unknown(tree.sql())


def _field(name: str) -> str:
    return name if re.fullmatch(r"\w+", name) else '"' + name.replace('"', '""') + '"'


def _unknown(text: str, name: str | None = None) -> SpecError:
    known = [*SCALARS, "decimal(18, 2)", "list<integer>", "map<string, integer>", "struct<a: integer>"]
    if name in _NESTED:
        hint: str | None = "write " + next(example for example in known if example.startswith(str(name)))
    else:
        hint = did_you_mean((name or text).lower(), [*SCALARS, *ALIASES, "decimal", *_NESTED])
    return SpecError(f"unknown type {text!r}; known are: {', '.join(known)}", hint=hint, code="UNKNOWN_TYPE")
