# SPDX-License-Identifier: Apache-2.0
"""Ports for servers of tests: below the range that the kernel gives to outgoing connections, so that no probe can connect to itself."""

from __future__ import annotations

import os
import random
import socket

LOWEST, HIGHEST = 20000, 32000
_draw = random.Random(os.getpid())
_given: set[int] = set()


def free_port() -> int:
    """Return a port of loopback that nobody listens on and that this process has not given away before."""
    for _ in range(2000):
        port = _draw.randrange(LOWEST, HIGHEST)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError(f"no free port from {LOWEST} to {HIGHEST}")
