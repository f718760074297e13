# SPDX-License-Identifier: Apache-2.0
"""A file of events that could not be sent, a line of JSON each; whole lines are whole whatever happened to those beside them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

_LOG = logging.getLogger(__name__)


class Spool:
    """Events that wait for a later time.

    Args:
        file: Where they are; its folder is made where it is not there.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._aside = file.with_name(file.name + ".sending")
        self._damaged = file.with_name(file.name + ".damaged")

    def keep(self, lines: Iterable[bytes]) -> None:
        """Add events; they are on the disk when this returns.

        Raises:
            OSError: The disk is full, or the folder nobody's to write to.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        _append(self.file, lines)

    def take(self) -> list[bytes]:
        """Return what waits; it stays on the disk until :meth:`done`, and what is kept meanwhile waits for the next time.

        Lines that are cut off, as a full disk or a kill leaves them, go into ``….damaged``, and a warning says so.
        """
        self._set_aside()
        if not self._aside.exists():
            return []
        lines = [line for line in self._aside.read_bytes().split(b"\n") if line]
        damaged = [line for line in lines if not _is_event(line)]
        if damaged:
            _append(self._damaged, damaged)
            _LOG.warning("%d lines of %s are no whole events: they are in %s", len(damaged), self.file, self._damaged)
        return [line for line in lines if _is_event(line)]

    def done(self) -> None:
        """Forget what was taken."""
        self._aside.unlink(missing_ok=True)

    def _set_aside(self) -> None:
        if not self.file.exists():
            return
        if not self._aside.exists():
            self.file.rename(self._aside)
            return
        _append(self._aside, [self.file.read_bytes()])  # a process that was sending it has died
        self.file.unlink()


def _append(file: Path, lines: Iterable[bytes]) -> None:
    with file.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":  # the last one is cut off: what comes now is not to become a part of it
                stream.write(b"\n")
        stream.write(b"".join(line + b"\n" for line in lines))  # canonical JSON has no line end in it
        stream.flush()
        os.fsync(stream.fileno())


def _is_event(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("idempotency_key"), str)
