# SPDX-License-Identifier: Apache-2.0
"""A Dataproc in memory for ``bench_triggers.py``, a process of its own: ``python benchmarks/dataproc_world.py FOLDER SECONDS``.

It serves gRPC with TLS; a cluster runs at once, a job for SECONDS. It prints one JSON line, and ends with its stdin.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.cloud import dataproc_v1 as protos

from tests.unit.clients.dataproc_dask.server import Server
from tests.unit.clients.dataproc_dask.world import World


class Working(World):
    """Jobs take a while."""

    def __init__(self, server: Server, length: timedelta) -> None:
        super().__init__(server)
        self.job_state = "RUNNING"
        server.answers["GetJob"] = lambda request, _: self._grown(self.jobs[request.job_id])
        self._length = length

    def _grown(self, job: Any) -> Any:
        since = job.status.state_start_time.ToDatetime(tzinfo=UTC)
        if job.status.state == protos.JobStatus.State.RUNNING and datetime.now(UTC) - since >= self._length:
            job.status.state = protos.JobStatus.State.DONE
        return job


def main() -> None:
    """Serve until stdin ends."""
    server = Server(Path(sys.argv[1]))
    world = Working(server, timedelta(seconds=float(sys.argv[2])))
    print(json.dumps({"endpoint": server.endpoint, "roots": str(server.roots)}), flush=True)
    sys.stdin.read()
    sent: dict[str, int] = {}
    for name in server.names():
        sent[name] = sent.get(name, 0) + 1
    print(json.dumps({"calls": sent, "clusters": len(world.clusters)}), flush=True)
    server.close()


if __name__ == "__main__":
    main()
