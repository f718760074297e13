# SPDX-License-Identifier: Apache-2.0
"""The body of a request, bounded while it arrives: a client that tells no length, or a wrong one, cannot make us hold more."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from starlette.requests import ClientDisconnect

from airflow_dataops.services.metadata_api.admission import Lease
from airflow_dataops.services.metadata_api.refusals import Refused
from airflow_dataops.services.metadata_api.settings import Limits

_STEP = 64 << 10


async def read_body(headers: Mapping[str, str], chunks: AsyncIterator[bytes], lease: Lease, limits: Limits) -> bytes:
    """Return the body, unfolded where it is compressed.

    Args:
        headers: Of the request.
        chunks: What arrives.
        lease: Grows with it.
        limits: Bounds.

    Raises:
        Refused: It is no JSON (415), too large (413), not there in time (408), or too much is held already (429).
    """
    encoding = _checked(headers, limits)
    parts: list[bytes] = []
    unfold = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    size = 0
    try:
        async with asyncio.timeout(limits.read_seconds):
            async for chunk in chunks:
                for part in _unfolded(unfold, chunk, limits.body - size) if unfold is not None else (chunk,):
                    size += len(part)
                    if size > limits.body:
                        raise _too_large(limits)
                    lease.grow(len(part))
                    parts.append(part)
    except TimeoutError:
        message = f"the body did not arrive within {limits.read_seconds:g} seconds"
        raise Refused(408, "BODY_TOO_SLOW", message, retry=0) from None
    except ClientDisconnect:
        raise Refused(400, "BODY_CUT", "the sender went away before its body was whole") from None
    if unfold is not None and not unfold.eof:
        raise _not_one_stream()
    return b"".join(parts)


def _checked(headers: Mapping[str, str], limits: Limits) -> str:
    kind, *options = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    if kind != "application/json" or any(
        option.startswith("charset=") and option[8:].strip('"') not in ("utf-8", "utf8") for option in options
    ):
        raise Refused(415, "NOT_JSON", "a body of Content-Type application/json in UTF-8 is taken, and no other")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refused(415, "ENCODING", "a body is taken as it is or with Content-Encoding gzip")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.body:
        raise _too_large(limits)
    return encoding


def _unfolded(unfold: zlib._Decompress, chunk: bytes, left: int) -> list[bytes]:
    """Return what a chunk unfolds to, and at most a step more than what is left: a small body may unfold to gigabytes."""
    found: list[bytes] = []
    try:
        while chunk and left >= 0:
            part = unfold.decompress(chunk, _STEP)
            found.append(part)
            left -= len(part)
            chunk = unfold.unconsumed_tail
    except zlib.error:
        raise Refused(422, "BAD_GZIP", "the body is no gzip stream") from None
    if unfold.unused_data:  # what comes behind the end would be kept there, however much it is
        raise _not_one_stream()
    return found


def _not_one_stream() -> Refused:
    return Refused(422, "BAD_GZIP", "the body is not one whole gzip stream")


def _too_large(limits: Limits) -> Refused:
    return Refused(413, "BODY_TOO_LARGE", f"a body has at most {limits.body} bytes", hint="send smaller batches")


__all__ = ["read_body"]
