# SPDX-License-Identifier: Apache-2.0
"""The exceptions of the package.

::

    DataOpsError
    ├── SpecError            what the author wrote is wrong (YAML, suite, rule, job spec)
    ├── InputError           the data is not what it was said to be (missing, empty, another schema)
    ├── GateFailed           the data was checked and found bad
    ├── PublishError         the table cannot take what was staged
    ├── StorageDenied        the lake does not let this process read or write; somebody has to change that
    ├── MissingDependency    an extra is not installed
    └── TransientError       may pass on its own: the only branch that is worth a retry
        ├── RunConflict      another process holds the lease of the same run or table
        └── StorageError     a file system or object store did not answer

Every error says what was received, what is valid and, as ``hint``, what to type. ``code`` is stable: it is part of
the public contract (``dataops check --format json``, a job's error document).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar


class DataOpsError(Exception):
    """Base of all errors of this package.

    Args:
        message: What was received and what is valid, in one sentence or a few.
        hint: What to type or do next.
        code: Stable name in capitals; the class's own when omitted.
        details: JSON-safe facts for a machine or a page (counts, names, examples). Never a secret.
    """

    default_code: ClassVar[str] = "DATAOPS"
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code
        self.details = details or {}

    def __str__(self) -> str:
        """Return ``CODE: message`` and, on a second line, the hint."""
        text = f"{self.code}: {self.message}"
        return f"{text}\n  -> {self.hint}" if self.hint else text

    def to_dict(self) -> dict[str, Any]:
        """Return the error as the JSON document that a job prints when it fails."""
        return {
            "type": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "details": self.details,
        }


class SpecError(DataOpsError):
    """What the author wrote cannot be meant; nothing has been touched."""

    default_code = "SPEC_INVALID"


class InputError(DataOpsError):
    """The source is missing, empty, truncated or of another schema."""

    default_code = "INPUT_INVALID"


class GateFailed(DataOpsError):
    """A data-quality gate stopped the run; nothing has been published."""

    default_code = "GATE_FAILED"


class PublishError(DataOpsError):
    """The staged files cannot become part of the table."""

    default_code = "PUBLISH_REFUSED"


class StorageDenied(DataOpsError):
    """The lake does not let this process in: no permission, or mounted read-only. A retry would not help."""

    default_code = "STORAGE_DENIED"


class MissingDependency(DataOpsError):
    """An optional dependency is not installed; the hint is the pip line."""

    default_code = "MISSING_DEPENDENCY"


class TransientError(DataOpsError):
    """A fault that may pass; a retry makes sense."""

    default_code = "TRANSIENT"
    retryable = True


class RunConflict(TransientError):
    """Another process is working on the same run or table."""

    default_code = "RUN_CONFLICT"


class StorageError(TransientError):
    """Reading or writing the lake failed for a reason outside of the data."""

    default_code = "STORAGE"


def from_dict(document: dict[str, Any]) -> DataOpsError:
    """Rebuild the error that a job printed, of the class that its ``type`` names.

    Args:
        document: What :meth:`DataOpsError.to_dict` returned, in this process or in a job's.

    Returns:
        The error; a plain :class:`DataOpsError` (or :class:`TransientError`) where the type is unknown.
    """
    known = {cls.__name__: cls for cls in _family(DataOpsError)}
    fallback = TransientError if document.get("retryable") else DataOpsError
    cls = known.get(str(document.get("type")), fallback)
    return cls(
        str(document.get("message", "")),
        hint=document.get("hint"),
        code=document.get("code"),
        details=document.get("details") or {},
    )


def unknown_name(what: str, received: str, known: Iterable[str], *, code: str | None = None) -> SpecError:
    """Return the error for a name that does not exist, with the nearest one that does.

    Args:
        what: What the name stands for, singular: ``"column"``, ``"rule"``.
        received: The name as the author wrote it.
        known: All valid names.
        code: Stable error code; ``SPEC_INVALID`` when omitted.
    """
    names = sorted(set(known))
    hint = did_you_mean(received, names)
    listed = ", ".join(names[:30]) + (" …" if len(names) > 30 else "")
    return SpecError(f"unknown {what} {received!r}; known are: {listed or 'none'}", hint=hint, code=code)


def did_you_mean(received: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean 'x'?`` for the nearest known name, or None when none is near."""
    close = get_close_matches(received, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None


def _family(cls: type[DataOpsError]) -> list[type[DataOpsError]]:
    return [cls, *(deeper for child in cls.__subclasses__() for deeper in _family(child))]
