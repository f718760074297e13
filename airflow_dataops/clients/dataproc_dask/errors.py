# SPDX-License-Identifier: Apache-2.0
"""Errors of gRPC and of finished operations as the core's :class:`CallError`, with what Google says in their details."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from airflow_dataops.clients.google import clean, import_google
from airflow_dataops.core.machine import CallError

_DETAILS_KEY = "grpc-status-details-bin"
_NAMES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)


def rpc_error(error: Any) -> CallError:
    """Return a failed call of gRPC (a ``grpc.RpcError`` that is a ``grpc.Call`` too) as the core's error."""
    said = error.details() or ""
    packed = next((value for key, value in error.trailing_metadata() or () if key == _DETAILS_KEY), None)
    return CallError(error.code().name, _message(said, _unpacked(packed)))


def status_error(status: Any) -> CallError:
    """Return a ``google.rpc.Status``, as a finished operation carries it, as the core's error."""
    known = 0 < status.code < len(_NAMES)
    return CallError(_NAMES[status.code] if known else "UNKNOWN", _message(status.message, status.details))


def _unpacked(packed: bytes | str | None) -> Any:
    if not isinstance(packed, bytes):
        return ()
    status = import_google("google.rpc.status_pb2").Status()
    try:
        status.ParseFromString(packed)
    except import_google("google.protobuf.message").DecodeError:
        return ()
    return status.details


def _message(said: str, details: Any) -> str:
    more = [text for text in _said_in(details) if text not in said]
    return clean("; ".join([said, *more] if said else more))


def _said_in(details: Any) -> Iterator[str]:
    """Yield what people can use. Stack traces, ids of requests and whatever is not known are left out."""
    known = import_google("google.rpc.error_details_pb2")
    for packed in details:
        for kind, read in _READERS.items():
            found = getattr(known, kind)()
            if packed.Is(found.DESCRIPTOR):
                packed.Unpack(found)
                yield from read(found)


def _quota(found: Any) -> Iterator[str]:
    for violation in found.violations:
        yield f"quota of {violation.subject}: {violation.description}" if violation.subject else violation.description


def _info(found: Any) -> Iterator[str]:
    facts = ", ".join(f"{key} {value}" for key, value in sorted(found.metadata.items()))
    yield f"{found.reason} ({facts})" if facts else found.reason


def _fields(found: Any) -> Iterator[str]:
    for violation in found.field_violations:
        yield f"{violation.field}: {violation.description}"


def _conditions(found: Any) -> Iterator[str]:
    for violation in found.violations:
        yield f"{violation.subject}: {violation.description}" if violation.subject else violation.description


def _links(found: Any) -> Iterator[str]:
    for link in found.links:
        yield link.url


_READERS: dict[str, Callable[[Any], Iterator[str]]] = {
    "QuotaFailure": _quota,
    "ErrorInfo": _info,
    "BadRequest": _fields,
    "PreconditionFailure": _conditions,
    "Help": _links,
}
