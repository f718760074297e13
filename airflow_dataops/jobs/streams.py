# SPDX-License-Identifier: Apache-2.0
"""A job's two streams: one JSON document on stdout, lines ``LEVEL text`` on stderr."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from airflow_dataops.core import secrets as names


@contextmanager
def stdout_for_the_document() -> Iterator[io.TextIOWrapper]:
    """Keep stdout for the one document: what a library prints goes to stderr, also from C."""
    sys.stdout.flush()
    private = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(private), "w", encoding="utf-8") as out:
            yield out
    finally:
        with suppress(ValueError):
            sys.stdout.flush()
        os.dup2(private, 1)
        os.close(private)


class _LineFormatter(logging.Formatter):
    """``LEVEL text`` on every line, a traceback's too, without secret values."""

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__("%(message)s")
        self._known = known

    def format(self, record: logging.LogRecord) -> str:
        text = names.hide(super().format(record), self._known.values())
        return "\n".join(f"{record.levelname} {line}" for line in text.splitlines() or [""])


@contextmanager
def log_to_stderr(known: Mapping[str, str]) -> Iterator[None]:
    """Send the log to stderr, without what is in ``known``; secrets may be added to it later."""
    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace"))
    handler.setFormatter(_LineFormatter(known))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.stream.close()


__all__ = ["log_to_stderr", "stdout_for_the_document"]
