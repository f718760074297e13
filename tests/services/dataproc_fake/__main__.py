# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.services.dataproc_fake --port 21000 --state FILE``: prints one JSON line when it serves, and ends with stdin or SIGTERM."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path

from tests.services.dataproc_fake import passing, tls
from tests.services.dataproc_fake.arming import Arms, parse
from tests.services.dataproc_fake.clock import Timing
from tests.services.dataproc_fake.control import Control, serve
from tests.services.dataproc_fake.objects import Objects
from tests.services.dataproc_fake.runner import Runner
from tests.services.dataproc_fake.services import services
from tests.services.dataproc_fake.store import Store
from tests.services.dataproc_fake.wire import CallLog, Wire
from tests.services.dataproc_fake.world import World
from tests.services.processes import Keeper

_TICK = 0.03


def main() -> None:
    """Serve until told to stop."""
    options = _options()
    state: Path = options.state.absolute()
    state.parent.mkdir(parents=True, exist_ok=True)
    fresh = not state.exists()
    timing = Timing(**{one.name: getattr(options, one.name) for one in fields(Timing)})
    store = Store(state)
    world, arms = World(store, timing), Arms(store)
    for option in options.fault if fresh else []:  # a restart goes on with what is armed
        name, nth, times = parse(option)
        arms.arm(name, nth=nth, times=times)
    keeper = Keeper()
    runner = Runner(world, Objects(options.gcs), keeper, state.parent / "run", options.python)
    wire = Wire(world, arms, CallLog(options.calls or state.with_suffix(".calls.jsonl")))
    server = wire.server(services(runner), options.port, tls.ensure(options.tls or state.parent / "tls"))
    control = serve(Control(world, arms, runner), options.control_port)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    server.start()
    threading.Thread(target=control.serve_forever, daemon=True).start()
    threading.Thread(target=_tick, args=(world, runner, done), daemon=True).start()
    if options.end_with_stdin:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), done.set()), daemon=True).start()
    print(json.dumps({"port": options.port, "control_port": options.control_port, "pid": os.getpid()}), flush=True)
    done.wait()
    server.stop(0)
    keeper.close()
    os._exit(0)  # handlers that hold an answer back need not be waited for


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.services.dataproc_fake", description="A Dataproc for tests.")
    parser.add_argument("--port", type=int, required=True, help="gRPC with TLS, on 127.0.0.1")
    parser.add_argument("--control-port", type=int, required=True, help="HTTP for tests and for tokens")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file; files of jobs lie beside it")
    parser.add_argument("--calls", type=Path, help="log of calls, JSON lines (STATE.calls.jsonl)")
    parser.add_argument(
        "--tls", type=Path, help="folder of key and certificates, made where missing (tls beside STATE)"
    )
    parser.add_argument("--gcs", help="URL of a GCS server")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the jobs")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:NTH][xTIMES]",
        help="arm a fault for all projects, in a new STATE",
    )
    parser.add_argument("--end-with-stdin", action="store_true", help="end when stdin does")
    for one in fields(Timing):
        kind = type(one.default)
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=kind, default=one.default)
    return parser.parse_args()


def _tick(world: World, runner: Runner, done: threading.Event) -> None:
    while not done.is_set():
        with world.lock:
            passing.tick(world, runner.objects.write)
            runner.sweep()
        time.sleep(_TICK)


if __name__ == "__main__":
    main()
