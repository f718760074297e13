# SPDX-License-Identifier: Apache-2.0
"""What a Mongo server says of a write -> what becomes of it: tried again, a dead letter, or somebody has to mend something."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from airflow_dataops.core.errors import DataOpsError, StorageDenied, TransientError

DUPLICATE, _CONFLICT = 11000, 112
# Unauthorized, AuthenticationFailed, and that a user is needed at all.
_DENIED = {13, 18, 8000}
# The document itself is wrong: BadValue, FailedToParse, TypeMismatch, field names, a validator of the collection; or it is too large.
_OF_THE_DOCUMENT = {2, 9, 14, 15, 52, 56, 57, 121, 10334, 17280, 17419, 17420, 17421}
# The server is going, has gone, or is not the primary: also where just one write of a bulk met it.
_OF_THE_SERVER = {
    6, 7, 43, 50, 63, 64, 89, 91, 100, 133, 134, 150, 189, 202, 234, 262, 9001, 10058, 10107, 11600, 11602, 13388, 13435,
    13436, 14031,
}  # fmt: skip


class Verdict(StrEnum):
    """What becomes of one write of a bulk."""

    AGAIN = "again"  # another writer of the same key was quicker
    REFUSED = "refused"  # it will never do
    AWAY = "away"  # it may pass
    DENIED = "denied"  # somebody has to let us in


def judged(error: Mapping[str, Any], *, others_passed: bool) -> Verdict:
    """Return what becomes of a write that failed.

    Args:
        error: ``code``, and ``keyPattern`` of a duplicate.
        others_passed: Whether the server took other writes of the same bulk. A code that is not known here is then about the document, and
            else about the server: a server that refuses all must not turn all events into dead letters.
    """
    code = error.get("code")
    if code == _CONFLICT or (code == DUPLICATE and set(error.get("keyPattern") or {"_id": 1}) == {"_id"}):
        return Verdict.AGAIN
    if code in _OF_THE_DOCUMENT or code == DUPLICATE:  # of another index, which somebody made unique
        return Verdict.REFUSED
    if code in _DENIED:
        return Verdict.DENIED
    if code in _OF_THE_SERVER:
        return Verdict.AWAY
    return Verdict.REFUSED if others_passed else Verdict.AWAY


def mongo_error(place: str, said: str, *, denied: bool = False, code: str | None = None) -> DataOpsError:
    """Return the error to raise.

    Args:
        place: ``collection dataops.gpu_metadata``.
        said: What the server or the driver said.
        denied: Whether somebody has to let us in (``MONGO_DENIED``).
        code: Of what may pass: ``MONGO_UNREACHABLE``, ``MONGO_BUSY``; ``MONGO_FAILED`` when omitted.
    """
    if denied:
        hint = "look at user and password of the URI; the worker needs the role readWrite of the database"
        return StorageDenied(f"{place}: {said}", hint=hint, code="MONGO_DENIED")
    hint = "is the server up, does it have a primary, and is the address right?"
    return TransientError(f"{place}: {said}", hint=hint, code=code or "MONGO_FAILED")


__all__ = ["DUPLICATE", "Verdict", "judged", "mongo_error"]
