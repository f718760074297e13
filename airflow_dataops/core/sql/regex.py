# SPDX-License-Identifier: Apache-2.0
"""Regular expressions that mean the same in RE2 (DuckDB) and Java (Spark): what is refused, and what is translated."""

from __future__ import annotations

import re
import warnings

from airflow_dataops.core.errors import SpecError

# Construct -> how it begins. RE2 has none of them; Java's own extensions are refused too, since DuckDB would read them otherwise.
_REFUSED = (
    ("lookahead", r"\(\?[=!]"),
    ("lookbehind", r"\(\?<[=!]"),
    ("an atomic group", r"\(\?>"),
    ("a conditional", r"\(\?\("),
    ("a named backreference", r"\(\?P=|\\k<"),
    ("a backreference", r"\\[1-9]"),
    ("a possessive quantifier", r"(?:[*+?]|\{\d+(?:,\d*)?\})\+"),
    ("a comment", r"\(\?#"),
    (r"\Z (write $ or \z)", r"\\Z"),
    (r"\G", r"\\G"),
    (r"\h, \R or \X", r"\\[hHRX]"),
    ("a class operation", r"&&"),
)
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|.", re.DOTALL)


def check_regex(pattern: str) -> None:
    """Raise unless all engines understand ``pattern`` alike.

    Raises:
        SpecError: It is not a valid regular expression, or uses something that RE2 does not have (``BAD_REGEX``).
    """
    bare = _without_classes(pattern)
    for name, begins in _REFUSED:
        if re.search(begins, bare):
            raise SpecError(
                f"regular expression {pattern!r} uses {name}, which not every engine has",
                hint="write it without, or split it into two rules",
                code="BAD_REGEX",
            )
    try:
        with warnings.catch_warnings():
            # Python thinks of other meanings for `--` and `||` in a class; the engines do not.
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(_for_python(pattern))
    except re.error as error:
        raise SpecError(
            f"{pattern!r} is not a regular expression: {error.msg} at position {error.pos}", code="BAD_REGEX"
        ) from error


def java_pattern(pattern: str) -> str:
    """Return the pattern for Java: named groups without ``P``, and ``$`` that does not match before a last line feed."""
    multiline = re.match(r"\(\?[a-z]*m", pattern) is not None
    parts = []
    for atom in _ATOM.findall(pattern.replace("(?P<", "(?<")):
        if atom == "$" and not multiline:
            parts.append(r"\z")
        elif atom.startswith("[") and len(atom) > 1:
            parts.append(_java_class(atom))
        else:
            parts.append(atom)
    return "".join(parts)


def java_replacement(text: str) -> str:
    r"""Return a replacement for Java: ``\1`` becomes ``$1``, a dollar is taken literally."""
    return re.sub(r"\\(\d)|\$", lambda found: f"${found.group(1)}" if found.group(1) else r"\$", text)


def _java_class(atom: str) -> str:
    posix = {"alpha": "Alpha", "digit": "Digit", "alnum": "Alnum", "upper": "Upper", "lower": "Lower", "punct": "Punct"}
    posix |= {
        "space": "Space",
        "xdigit": "XDigit",
        "cntrl": "Cntrl",
        "graph": "Graph",
        "print": "Print",
        "blank": "Blank",
    }
    inner = re.sub(r"\[:(\^?)(\w+):\]", lambda f: rf"\{'P' if f[1] else 'p'}{{{posix.get(f[2], f[2])}}}", atom[1:-1])
    # In Java a bracket within a class opens another class.
    return "[" + re.sub(r"(?<!\\)\[", r"\\[", inner) + "]"


def _without_classes(pattern: str) -> str:
    """Return the pattern with every escaped character but a refusable one, and every character class, made harmless."""
    kept = []
    for atom in _ATOM.findall(pattern):
        if atom.startswith("[") and len(atom) > 1:
            kept.append("&&" if "&&" in atom else "c")
        elif atom.startswith("\\"):
            kept.append(atom if re.fullmatch(r"\\[1-9ZGhHRXk]", atom) else "e")
        else:
            kept.append(atom)
    return "".join(kept)


def _for_python(pattern: str) -> str:
    """Return a pattern of the same shape for Python, which lacks POSIX and Unicode classes and the end-of-text anchor."""
    shape = re.sub(r"\[:\^?\w+:\]", "a", pattern).replace("(?P<", "(?<").replace("(?<", "(?P<")
    return re.sub(r"\\[pP](\{\^?\w+\}|\w)", "a", shape.replace(r"\z", "$"))
