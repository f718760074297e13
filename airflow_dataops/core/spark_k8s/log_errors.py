# SPDX-License-Identifier: Apache-2.0
"""The last errors that a driver's log tells of: Python's exception and the root of Java's chain."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 300  # characters of one line that is shown
_NAME = r"[A-Za-z_][\w.$]*"
_PYTHON = re.compile(
    rf"^({_NAME}(?:Error|Exception|Exit|Interrupt|Warning|Failure|Failed)|(?:py4j|pyspark)\.{_NAME})(?:: (.*))?$"
)
_BARE = re.compile(rf"^({_NAME}): (.+)$")
_JAVA = re.compile(r"\b((?:[a-z_]\w*\.)+[A-Z][\w$]*(?:Error|Exception|Failure|Throwable))(?:: (.*))?$")
_CAUSED_BY = re.compile(rf"^\s*Caused by: ({_NAME})(?:: (.*))?$")
_TRACEBACK = "Traceback (most recent call last):"
_THREAD = re.compile(r"Exception in thread |Uncaught exception|Application .*failed|User class threw exception")
_LOG_LINE = re.compile(r"^\d{2,4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}:\d{2}")
_PREFIX = re.compile(
    r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}) "
)  # the API server's timestamps


@dataclass(frozen=True)
class LogErrors:
    """What a log's end says.

    Attributes:
        python: The last Python exception in one line; empty without one.
        java: The root of the last Java chain, else the last Java exception; empty without one.
        block: The lines from the last error on: where a code's signs are looked for, so that an earlier error that was survived does not
            count.
    """

    python: str = ""
    java: str = ""
    block: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The block as one text."""
        return "\n".join(self.block)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Both errors, those that there are."""
        return tuple(line for line in (self.python, self.java) if line)


def read_errors(log_tail: str) -> LogErrors:
    """Return the last errors of a log.

    Args:
        log_tail: The end of it, with or without the API server's timestamps; it may begin in the middle of a line or of an error.
    """
    lines = [_PREFIX.sub("", line.rstrip("\r")) for line in log_tail.split("\n")]
    start, python = _last_python(lines)
    java_at, java = _last_java(lines)
    if python is None:
        start = _first_of_chain(lines, java_at) if java_at is not None else len(lines)
    elif java_at is not None and java_at < start:
        java = ""  # of an error before the one that ended the program
    return LogErrors(python or "", java, tuple(line for line in lines[start:] if line.strip()))


def short(line: str) -> str:
    """Return a line as it is shown: without blanks around it, at most 300 characters."""
    text = " ".join(line.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _last_python(lines: list[str]) -> tuple[int, str | None]:
    """Return where the last traceback begins and what it says; a traceback that is cut off at its head is found by its last line."""
    begins = [index for index, line in enumerate(lines) if line.strip() == _TRACEBACK]
    for start in reversed(begins):
        said = _said(lines[start + 1 :])
        if said:
            return start, said
    for index in range(len(lines) - 1, -1, -1):
        if _PYTHON.match(lines[index]) and index and lines[index - 1].startswith("    "):
            return index, short(lines[index])
    return len(lines), None


def _said(rest: list[str]) -> str | None:
    for line in rest:
        if line.startswith((" ", "\t")) or not line.strip():
            continue
        if _LOG_LINE.match(line):
            return None
        return short(line) if _PYTHON.match(line) or _BARE.match(line) or re.fullmatch(_NAME, line) else None
    return None


def _last_java(lines: list[str]) -> tuple[int | None, str]:
    for index in range(len(lines) - 1, -1, -1):
        caused = _CAUSED_BY.match(lines[index])
        if caused is not None:
            return index, short(lines[index].strip().removeprefix("Caused by: "))
        found = None if lines[index].lstrip().startswith(("at ", "...")) else _JAVA.search(lines[index])
        if found is not None:
            return index, short(found[0])
    return None, ""


def _first_of_chain(lines: list[str], last: int) -> int:
    """Return where the chain begins whose last line is ``last``."""
    index = last
    while index and (_is_inside(lines[index]) or _is_inside(lines[index - 1])):
        index -= 1
    return index


def _is_inside(line: str) -> bool:
    """Tell whether a line goes on with a Java error that began before it."""
    return bool(_CAUSED_BY.match(line)) or line.lstrip().startswith(("at ", "... ", "Suppressed:"))
