# SPDX-License-Identifier: Apache-2.0
"""What an API server's error means: the names of its statuses, whether another attempt may help, and the failure that it is."""

from __future__ import annotations

from enum import StrEnum

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s.diagnosis import refusal
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.log_errors import short

NAMES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    408: "TIMEOUT",
    409: "CONFLICT",
    410: "GONE",
    413: "TOO_LARGE",
    422: "INVALID",
    429: "TOO_MANY",
    500: "SERVER",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "TIMEOUT",
}
LOST = "LOST"  # no answer: the connection broke, or the client's time was over


class Answer(StrEnum):
    """What to do about an error."""

    LATER = "later"  # the same call may work in a moment
    SOON = "soon"  # the token may have been renewed meanwhile; a server that has just started knows nobody's rights for a moment
    ROOM = "room"  # no quota now
    NEVER = "never"

    def failure(self, error: CallError, what: str) -> Failure:
        """Return the failure that an error is, after all attempts.

        Args:
            error: The answer.
            what: What was tried, for people: ``"create driver x"``.
        """
        told = f"could not {what}: {error.code} {short(error.message)}".strip()
        refused = refusal(error.message) if error.code == "FORBIDDEN" else None
        if refused is not None:
            return refused
        return failure(_CODES.get(error.code, Reason.UNREACHABLE), told, short(error.message))


_LATER = frozenset({"TOO_MANY", "SERVER", "UNAVAILABLE", "TIMEOUT", "GONE", LOST})
_CODES = {
    "UNAUTHORIZED": Reason.UNAUTHORIZED,
    "FORBIDDEN": Reason.PERMISSION_DENIED,
    "BAD_REQUEST": Reason.REQUEST_REFUSED,
    "NOT_FOUND": Reason.REQUEST_REFUSED,
    "CONFLICT": Reason.REQUEST_REFUSED,
    "TOO_LARGE": Reason.REQUEST_REFUSED,
    "INVALID": Reason.REQUEST_REFUSED,
    "OTHER": Reason.REQUEST_REFUSED,
}


def call_error(status: int, message: str = "") -> CallError:
    """Return the error of an HTTP status; 0 for no answer at all."""
    named = NAMES.get(status) or (LOST if status == 0 else "SERVER" if status >= 500 else "OTHER")
    return CallError(named, message)


def answer_of(error: CallError) -> Answer:
    """Return what to do about an error."""
    if error.code in _LATER:
        return Answer.LATER
    refused = refusal(error.message) if error.code == "FORBIDDEN" else None
    if refused is not None:
        return Answer.ROOM if refused.code is Reason.QUOTA_EXCEEDED else Answer.NEVER
    return Answer.SOON if error.code in ("UNAUTHORIZED", "FORBIDDEN") else Answer.NEVER
