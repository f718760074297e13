# SPDX-License-Identifier: Apache-2.0
"""Runs a command that dies with the process that asked for it; its environment, which may hold secrets, comes through the pipe.

``python -m airflow_dataops.jobs.command`` reads one line of JSON: ``{"argv": […], "env": {…}}``. All that the command writes goes to
standard error. The exit code is the command's; of one that a signal ended, 128 and the signal's number, as a shell says it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from airflow_dataops.clients.lifeline import hold


def main() -> int:
    """Run the command to its end; returns its exit code."""
    order = json.loads(sys.stdin.buffer.readline())
    # The command is in the same group and is told, too. A handler, and not SIG_IGN, which the command would inherit.
    signal.signal(signal.SIGTERM, lambda *_: None)
    hold(sys.stdin.fileno(), for_others=True)
    try:
        done = subprocess.run(  # noqa: S603 - the caller's own command
            order["argv"], env=order["env"], stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), check=False
        )
    except OSError as error:
        print(f"{order['argv'][0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


if __name__ == "__main__":
    sys.exit(main())
