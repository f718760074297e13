# SPDX-License-Identifier: Apache-2.0
"""A ``spark.properties`` file, escaped as ``java.util.Properties.load`` reads it."""

from __future__ import annotations

from collections.abc import Mapping

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
_IN_KEY = {" ": "\\ ", "=": "\\=", ":": "\\:", "#": "\\#", "!": "\\!"}


def properties_file(conf: Mapping[str, str]) -> str:
    """Return the file's text, sorted, one property a line.

    Spark cuts spaces at both ends of a value after reading it, so those cannot be written at all.
    """
    return "".join(f"{_key(key)}={_value(value)}\n" for key, value in sorted(conf.items()))


def _key(text: str) -> str:
    return "".join(_IN_KEY.get(letter) or _escaped(letter) for letter in text)


def _value(text: str) -> str:
    body = text.lstrip(" ")
    return "\\ " * (len(text) - len(body)) + "".join(map(_escaped, body))


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if " " <= letter <= "~":
        return letter
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
