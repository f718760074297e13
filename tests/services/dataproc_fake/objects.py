# SPDX-License-Identifier: Apache-2.0
"""Objects in buckets, over plain HTTP: what the fake itself reads and writes."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from urllib.parse import quote


class Objects:
    """The door to a GCS server.

    Args:
        url: Where it listens; None where there is none, then nothing is written.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._made: set[str] = set()

    def read(self, uri: str) -> bytes:
        """Return an object.

        Raises:
            OSError: It is not there, or the server does not answer.
        """
        bucket, name = _parts(uri)
        return self._send("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media")

    def write(self, uri: str, data: bytes) -> None:
        """Write an object, and its bucket where that is missing; trouble is passed over, as it is nobody's fault."""
        bucket, name = _parts(uri)
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        with contextlib.suppress(OSError):
            if self.url is not None:
                self._bucket(bucket)
                self._send("POST", path, data, "application/octet-stream")

    def remove(self, uri: str) -> None:
        """Delete an object, if it is there."""
        bucket, name = _parts(uri)
        with contextlib.suppress(OSError):
            self._send("DELETE", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}")

    def _bucket(self, name: str) -> None:
        if name not in self._made:
            with contextlib.suppress(urllib.error.HTTPError):  # it is there already
                self._send(
                    "POST", "/storage/v1/b?project=fake", json.dumps({"name": name}).encode(), "application/json"
                )
            self._made.add(name)

    def _send(self, method: str, path: str, data: bytes | None = None, kind: str = "") -> bytes:
        if self.url is None:
            raise OSError("this Dataproc was started without a GCS server (--gcs URL)")
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind} if kind else {}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


def _parts(uri: str) -> tuple[str, str]:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not name:
        raise OSError(f"{uri!r} is no object in a bucket")
    return bucket, name
