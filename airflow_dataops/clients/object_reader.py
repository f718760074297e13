# SPDX-License-Identifier: Apache-2.0
"""One object of a bucket as a file that is read, piece by piece."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

from airflow_dataops.clients.storage import FileInfo

_CHUNK = 4 * 2**20


class OpenedObject(io.BufferedReader):
    """An object as a file.

    Args:
        info: What is known of the content that is read.
        piece: Returns bytes from the first number up to the second, which is excluded, always of that content.

    Attributes:
        info: The same.
    """

    def __init__(self, info: FileInfo, piece: Callable[[int, int], bytes]) -> None:
        super().__init__(_Reader(info.size, piece), _CHUNK)
        self.info = info


class _Reader(io.RawIOBase):
    def __init__(self, size: int, piece: Callable[[int, int], bytes]) -> None:
        self._size, self._piece, self._at = size, piece, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = self._piece(self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


__all__ = ["OpenedObject"]
