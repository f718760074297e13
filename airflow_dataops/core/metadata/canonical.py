# SPDX-License-Identifier: Apache-2.0
"""One text for one JSON value: RFC 8785 (JSON Canonicalization Scheme), by which events are hashed, compared and sent.

Keys are sorted by their UTF-16 code units, there is no space between tokens, and a number is written as ECMAScript writes the double that
it is: ``1``, ``1.0`` and ``1e0`` are all ``1``. A program in any language makes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring as quoted
from types import NoneType
from typing import Any

from airflow_dataops.core.metadata.limits import LARGEST_INTEGER

# What the standard library writes in another way: 1.0, -0.0, 1e-07. A text may look like one: it is only written more slowly then.
_EXPONENT = re.compile(r"e[-+](?<=\de.)\d")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")  # sorted elsewhere by UTF-16 than by code points
_CONSTANTS = {None: "null", True: "true", False: "false"}
_QUICK = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def encode_document(document: dict[str, Any]) -> bytes:
    """Return what :func:`encode` does, sooner.

    Args:
        document: As a model gives it: at every level the keys are texts, and whole numbers are at most 2**53 - 1.

    Raises:
        ValueError: As :func:`encode`.
        TypeError: As there.
    """
    text = _QUICK.encode(document)
    if not (text.isascii() or _ASTRAL.search(text) is None) or _has_other_numbers(text):
        return encode(document)
    return text.encode()


def encode(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value.

    Args:
        value: Mappings with text keys, lists, tuples, texts, numbers, booleans and None.

    Raises:
        ValueError: A number is NaN or infinite, or a whole one that no double holds; a text holds half of a surrogate pair.
        TypeError: It holds what JSON does not have.
    """
    return _text(value).encode()


def digest(document: dict[str, Any]) -> str:
    """Return SHA-256 of the canonical bytes as 64 hex digits; takes what :func:`encode_document` does, and raises as that."""
    return hashlib.sha256(encode_document(document)).hexdigest()


def number(value: float) -> str:
    """Return a number as ECMAScript writes it.

    Raises:
        ValueError: It is NaN or infinite, or a whole number that no double is written as.
    """
    if isinstance(value, int):
        return str(value) if abs(value) <= LARGEST_INTEGER else number(as_double(value))
    if not math.isfinite(value):
        raise ValueError(f"a number is finite; got {value}")
    if value.is_integer() and abs(value) <= LARGEST_INTEGER:
        return str(int(value))  # also -0.0
    text = repr(value)
    return text if "e" not in text and not text.endswith(".0") else _of_digits(text)


def as_double(value: int) -> float:
    """Return the double that a large whole number in a JSON text is: 1e20 may be written with all its zeros.

    Raises:
        ValueError: It has digits that a double does not keep: two readers would take it for two numbers.
    """
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found) or number(found) != str(value):
        raise ValueError("a whole number between -(2**53 - 1) and 2**53 - 1 is wanted, or one that a double holds")
    return found


def _of_digits(text: str) -> str:
    """Write the digits of a float as ECMAScript places its point (Number::toString)."""
    sign, digits, exponent = Decimal(text).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0")
    point = int(exponent) + len(digits)
    minus, count = "-" if sign else "", len(shown)
    if count <= point <= 21:
        return f"{minus}{shown}{'0' * (point - count)}"
    if 0 < point <= 21:
        return f"{minus}{shown[:point]}.{shown[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{shown}"
    fraction = f".{shown[1:]}" if count > 1 else ""
    return f"{minus}{shown[0]}{fraction}e{point - 1:+d}"


def _has_other_numbers(text: str) -> bool:
    whole = ".0," in text or ".0}" in text or ".0]" in text
    return whole or (("e-" in text or "e+" in text) and _EXPONENT.search(text) is not None)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (bool, NoneType)):
        return _CONSTANTS[value]
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join([_text(item) for item in value])}]"
    if isinstance(value, Mapping):
        return _object_text(value)
    raise TypeError(f"JSON has no {type(value).__name__}")


def _object_text(value: Mapping[Any, Any]) -> str:
    names = list(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError("the keys of a JSON object are texts")
    names.sort(key=None if "".join(names).isascii() else _utf16)
    return f"{{{','.join([f'{quoted(name)}:{_text(value[name])}' for name in names])}}}"


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


__all__ = ["as_double", "digest", "encode", "encode_document", "number"]
