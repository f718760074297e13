# SPDX-License-Identifier: Apache-2.0
"""Why a request is not taken: status, code, and what to do."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.errors import DataOpsError, TransientError
from airflow_dataops.core.metadata.batch import BatchRefused


class Refused(Exception):
    """The request is answered with this.

    Args:
        status: Of HTTP.
        code: Stable, in capitals.
        message: What was received and what is valid.
        retry: Seconds after which it may be sent again; None: it would be refused again.
        faults: What is wrong with its events.
        hint: What to do.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry: int | None = None,
        faults: list[dict[str, Any]] | None = None, hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.code, self.message, self.retry, self.hint = status, code, message, retry, hint
        self.faults = faults or []

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        found = {} if self.retry is None else {"Retry-After": str(self.retry)}
        if self.status == 401:
            found["WWW-Authenticate"] = "Bearer"
        return found

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the answer's body."""
        told = {"code": self.code, "message": self.message, "hint": self.hint, "request_id": request_id}
        return {**told, "faults": self.faults}


def of_batch(error: BatchRefused) -> Refused:
    """Return the answer to a body whose events cannot be taken."""
    status = 413 if error.too_large else 422
    return Refused(status, error.code, error.message, faults=error.details["faults"])


def of_publish(error: DataOpsError, retry: int) -> Refused:
    """Return the answer where events could not be published; what only the operator can mend is no fault of the sender's, too."""
    if error.code == "KAFKA_RECORD_TOO_LARGE":
        return Refused(413, error.code, "the topic takes no record as large as one of these events")
    if error.code.endswith("BUFFER_FULL"):
        return Refused(429, error.code, "more waits for the brokers than may", retry=retry)
    message = "the events could not be published" + ("" if isinstance(error, TransientError) else "; the log says why")
    hint = "send the request again: what was published already is not doubled, since an event has its key"
    return Refused(503, error.code, message, retry=retry, hint=hint)


__all__ = ["Refused", "of_batch", "of_publish"]
