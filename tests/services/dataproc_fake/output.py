# SPDX-License-Identifier: Apache-2.0
"""A driver's output on its way into a bucket: parts that grow until they are full."""

from __future__ import annotations

import time
from pathlib import Path

from tests.services.dataproc_fake.objects import Objects


class Output:
    """Copies a file that grows to ``{uri}.000000000``, ``…001``.

    Args:
        size: A part is full at so many bytes.
        every: Seconds between two writes.
        missing: Nothing is written at all.
        loses_first: The first part disappears at the end, if there are more.
    """

    def __init__(
        self, objects: Objects, source: Path, uri: str, size: int, every: float, *, missing: bool, loses_first: bool
    ) -> None:
        self._objects, self._source, self._uri, self._size, self._every = objects, source, uri, size, every
        self._missing, self._loses_first = missing, loses_first
        self._part, self._text, self._read, self._written = 0, b"", 0, 0.0

    def has(self, text: str) -> bool:
        """Tell whether the driver has said a text, or anything where that is empty."""
        data = self._source.read_bytes()
        return text.encode() in data if text else bool(data)

    def pump(self, *, last: bool = False) -> None:
        """Write what is new."""
        if self._missing or (not last and time.monotonic() - self._written < self._every):
            return
        self._written = time.monotonic()
        with self._source.open("rb") as source:
            source.seek(self._read)
            data = source.read()
        self._read += len(data)
        while data or (last and self._part == 0 and not self._text and not self._read):
            room = self._size - len(self._text)
            self._text, data = self._text + data[:room], data[room:]
            self._objects.write(f"{self._uri}.{self._part:09d}", self._text)
            if not data:
                break
            self._part, self._text = self._part + 1, b""
        if last and self._loses_first and self._part:
            self._objects.remove(f"{self._uri}.{0:09d}")
