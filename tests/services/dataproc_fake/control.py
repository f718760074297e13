# SPDX-License-Identifier: Apache-2.0
"""Beside the API, over HTTP on loopback: what tests tell the fake, and where credentials get their tokens."""

from __future__ import annotations

import json
import traceback
import urllib.parse
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services.dataproc_fake import passing, planting
from tests.services.dataproc_fake.arming import Arms
from tests.services.dataproc_fake.clock import SUBJECT
from tests.services.dataproc_fake.faults import FAULTS
from tests.services.dataproc_fake.records import plain
from tests.services.dataproc_fake.runner import Runner
from tests.services.dataproc_fake.world import World

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class Control:
    """What a test may ask for; each method is one address, its arguments are JSON."""

    def __init__(self, world: World, arms: Arms, runner: Runner) -> None:
        self.world, self.arms, self.runner = world, arms, runner

    def arm(self, **asked: Any) -> Any:
        """Arm a fault: ``name``, ``project``, ``nth``, ``times``, ``args``."""
        return plain(self.arms.arm(**asked))

    def disarm(self, project: str) -> Any:
        """Forget all faults of a project."""
        self.arms.disarm(project)

    def faults(self) -> Any:
        """Return the names of all faults, with what they do."""
        return {name: {"rows": one.rows, "text": one.text} for name, one in FAULTS.items()}

    def armed(self) -> Any:
        """Return what is armed."""
        return self.arms.listed()

    def configure(
        self, project: str, speed: float | None = None, advance: float = 0.0, timing: dict[str, Any] | None = None
    ) -> Any:
        """Set a project's clock and how long things take in it; return its clock."""
        found = self.world.set_clock(project, speed=speed, advance=advance)
        self.world.set_timing(project, timing or {})
        return plain(found)

    def bill(self, project: str) -> Any:
        """Return what was billed."""
        return passing.bill(self.world, project)

    def foreign(
        self, project: str, region: str, name: str, labels: dict[str, str] | None = None, state: str = "RUNNING"
    ) -> Any:
        """Put somebody else's cluster there; return its UUID."""
        return planting.foreign(self.world, project, region, name, labels, state).uuid

    def strangers(self, project: str) -> Any:
        """Return the clusters of others, with their states; what is gone is not among them."""
        found = [one for one in self.world.clusters.values() if one.project == project and one.foreign]
        return [{"name": one.name, "uuid": one.uuid, "state": one.state} for one in found if one.gone is None]

    def jobs(self, project: str) -> Any:
        """Return all jobs of a project, with the moments of their beginning and end."""
        found = [one for one in self.world.jobs.values() if one.project == project]
        return [one.facts() | {"state": one.state, "foreign": one.cluster not in self.world.clusters} for one in found]

    def vanish(self, uuid: str) -> Any:
        """Take a cluster away at once."""
        passing.vanish(self.world, self.world.clusters[uuid])

    def end_job(self, project: str, region: str, job_id: str, state: str = "ERROR", why: str = "") -> Any:
        """Give a job its last state, whatever its process does."""
        passing.end_job(self.world, self.world.job(project, region, job_id), state, why)

    def kill_workers(self, uuid: str) -> Any:
        """Kill all Dask workers of a cluster; return how many there were."""
        nodes = self.runner.nodes_of(uuid)
        if nodes is not None:
            nodes.kill_workers()
        return len(nodes.workers) if nodes is not None else 0


def serve(control: Control, port: int) -> ThreadingHTTPServer:
    """Return an HTTP server that listens; it has to be run."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, answer = _answer(control, self.path, self.rfile.read(length), self.headers.get("Authorization", ""))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _answer(control: Control, path: str, body: bytes, authorization: str) -> tuple[int, Any]:
    if path == "/token":
        return _exchange(urllib.parse.parse_qs(body.decode()))
    if path.startswith("/impersonate/"):
        return _impersonate(authorization)
    method: Callable[..., Any] | None = getattr(control, path.removeprefix("/control/").replace("-", "_"), None)
    if method is None or not path.startswith("/control/"):
        return 404, {"error": f"no such address: {path}"}
    try:
        with control.world.lock:
            return 200, method(**json.loads(body or b"{}"))
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return 400, {"error": f"{type(error).__name__}: {error}"}


def _exchange(form: dict[str, list[str]]) -> tuple[int, Any]:
    """Exchange the token of a workload for one of Google's, as ``sts.googleapis.com`` does."""
    if form.get("grant_type") != [_EXCHANGE] or form.get("subject_token") != [SUBJECT]:
        return 400, {
            "error": "invalid_grant",
            "error_description": "the subject token is not the one that this fake trusts",
        }
    return 200, {
        "access_token": f"fake-federated-{uuid.uuid4().hex}",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 3600,
    }


def _impersonate(authorization: str) -> tuple[int, Any]:
    """Give a service account's token to a federated one, as ``iamcredentials.googleapis.com`` does."""
    if not authorization.startswith("Bearer fake-federated-"):
        return 401, {"error": {"code": 401, "message": "no federated token", "status": "UNAUTHENTICATED"}}
    ends = datetime.now(UTC) + timedelta(hours=1)
    return 200, {"accessToken": f"fake-account-{uuid.uuid4().hex}", "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
