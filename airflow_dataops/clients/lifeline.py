# SPDX-License-Identifier: Apache-2.0
"""A process of ours dies with the process that asked for it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def first_line(descriptor: int) -> bytes:
    """Read up to the first line's end and no further than the pipe had ready, so that the lifeline sees the end that follows."""
    parts: list[bytes] = []
    while chunk := os.read(descriptor, 1 << 16):
        head, end, _ = chunk.partition(b"\n")
        parts.append(head)
        if end:
            break
    return b"".join(parts)


def hold(stdin: int, *, for_others: bool = False) -> None:
    """Tie this process to the one at the other end of ``stdin``, which keeps the pipe open for as long as it wants the work.

    Two ways, since each has a hole: on Linux the kernel kills us when our parent dies, whatever we are doing, but says nothing where the
    parent had died before we asked; the end of stdin is seen everywhere, but only while Python runs.

    Args:
        stdin: File descriptor of the pipe, positioned after the spec.
        for_others: This process does no work but to look after others of its group, which the kernel would leave alone if it killed us.
    """
    if sys.platform == "linux" and not for_others:
        _ask_the_kernel()
    threading.Thread(target=_watch, args=(stdin,), name="lifeline", daemon=True).start()


def _ask_the_kernel() -> None:
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        return  # a libc without prctl: the pipe alone has to do


def _watch(stdin: int) -> None:
    try:
        while os.read(stdin, 4096):
            continue
    except OSError:
        pass  # a broken pipe is an end, too
    end()


def end() -> None:
    """Kill this process and, where it leads its process group, all that it has started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


__all__ = ["end", "first_line", "hold"]
