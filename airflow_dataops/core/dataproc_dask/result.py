# SPDX-License-Identifier: Apache-2.0
"""``result.json``: what the driver says once, and for good, about how the job ended."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, ValidationError

from airflow_dataops.core.errors import DataOpsError, SpecError
from airflow_dataops.core.model import Model

VERSION = 1
LARGEST_RESULT = 64 * 2**10
_LARGEST_FILE = 4 * LARGEST_RESULT
_LONGEST_MESSAGE = 2000


class Code(StrEnum):
    """Why a driver failed; part of the public contract."""

    BAD_ARGUMENTS = "DOCUMENT_INVALID"
    CHANGED = "DOCUMENT_CHANGED"
    UNREADABLE = "DOCUMENT_UNREADABLE"
    CODE_UNREADABLE = "CODE_UNREADABLE"
    RUNTIME_FAILED = "RUNTIME_FAILED"
    NO_SCHEDULER = "NO_SCHEDULER"
    SCHEDULER_LOST = "SCHEDULER_LOST"
    NO_WORKERS = "NO_WORKERS"
    FUNCTION_MISSING = "FUNCTION_MISSING"
    FUNCTION_SIGNATURE = "FUNCTION_SIGNATURE"
    FUNCTION_RAISED = "FUNCTION_RAISED"
    RESULT_NOT_JSON = "RESULT_NOT_JSON"
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    RESULT_INVALID = "RESULT_INVALID"
    CANCELLED = "CANCELLED"


# What a library raised may be the fault of a worker that was lost, and what could not be read of a bucket that did not answer.
_UNKNOWN = frozenset({Code.FUNCTION_RAISED, Code.UNREADABLE, Code.CODE_UNREADABLE, "UNEXPECTED"})


class DriverResult(Model):
    """How a job ended. A reader takes a newer one too: what it does not know is not looked at.

    Attributes:
        schema_version: Version of this document.
        ok: Whether the function returned, and with something small enough.
        code: Why not: a :class:`Code`; empty where it did.
        message: One line on it.
        hint: What to do about it.
        retryable: Whether another try may do better, of an error that says so; None where nobody can tell.
        result: What the function returned, JSON of at most :data:`LARGEST_RESULT` bytes.
        seconds: Name of a phase (``runtime``, ``wait``, ``function``) -> how long it took.
        workers: ``at_least`` (asked for), ``start`` (there when the function was called), ``most``, ``end``.
        versions: Name of a package -> its version on the cluster.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, defer_build=True)

    schema_version: int = VERSION
    ok: bool
    code: str = ""
    message: str = ""
    hint: str | None = None
    retryable: bool | None = None
    result: Any = None
    seconds: dict[str, float] = {}
    workers: dict[str, int] = {}
    versions: dict[str, str] = {}


def success(value: Any) -> DriverResult:
    """Return the result of a function that returned ``value``.

    Raises:
        SpecError: It is no JSON (``RESULT_NOT_JSON``), or more than :data:`LARGEST_RESULT` bytes of it (``RESULT_TOO_LARGE``).
    """
    hint = "write tables to the lake, and return small facts: counts, paths, dates as texts"
    try:
        size = len(_json(value))
    except (TypeError, ValueError, RecursionError) as error:
        found = _first_strange(value, "result")
        text = f"{found[0]} is a {found[1]}" if found else str(error)
        raise SpecError(f"the function's result is no JSON: {text}", hint=hint, code=Code.RESULT_NOT_JSON) from None
    if size > LARGEST_RESULT:
        message = f"the function's result has {size:,} bytes as JSON; at most {LARGEST_RESULT:,} are kept"
        raise SpecError(message, hint=hint, code=Code.RESULT_TOO_LARGE)
    return DriverResult(ok=True, result=value)


def failure(error: DataOpsError) -> DriverResult:
    """Return the result of a job that failed."""
    final = None if error.code in _UNKNOWN else error.retryable
    return DriverResult(ok=False, code=error.code, message=one_line(error.message), hint=error.hint, retryable=final)


def encode(result: DriverResult) -> bytes:
    """Return the content of ``result.json``."""
    return _json(result.model_dump(mode="json"))


def read_result(data: bytes) -> DriverResult:
    """Return what a ``result.json`` says; one that cannot be understood is a failure (``RESULT_INVALID``), and never raises."""
    try:
        if len(data) > _LARGEST_FILE:
            raise ValueError(f"{len(data):,} bytes")
        return DriverResult.model_validate_json(data)
    except (ValidationError, ValueError) as bad:
        text = one_line(str(bad))
        return DriverResult(
            ok=False, code=Code.RESULT_INVALID, message=f"result.json is not what a driver writes: {text}"
        )


def one_line(text: str) -> str:
    """Return ``text`` on one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 2] + " …"


def _json(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _first_strange(value: Any, path: str, depth: int = 0) -> tuple[str, str] | None:
    """Find the first part that JSON cannot hold."""
    if value is None or isinstance(value, str | bool | int):
        return None
    if isinstance(value, float):
        return None if value - value == 0 else (path, f"float ({value}, which JSON does not have)")
    if depth > 50:
        return path, "structure that is nested too deeply"
    if isinstance(value, dict):
        parts = [(f"{path}[{key!r}]", part) for key, part in value.items()]
        strange = next((key for key in value if not isinstance(key, str)), None)
        if strange is not None and not isinstance(strange, int | float | bool | None):
            return f"key {strange!r} of {path}", type(strange).__name__
    elif isinstance(value, list | tuple):
        parts = [(f"{path}[{index}]", part) for index, part in enumerate(value)]
    else:
        return path, f"{type(value).__module__}.{type(value).__qualname__}"
    return next((found for name, part in parts if (found := _first_strange(part, name, depth + 1))), None)


__all__ = ["LARGEST_RESULT", "Code", "DriverResult", "encode", "failure", "one_line", "read_result", "success"]
