# SPDX-License-Identifier: Apache-2.0
"""The fake as a test sees it: a process to start, kill and start again, and projects in it that no other test touches."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.services.dataproc_fake.clock import SUBJECT
from tests.services.dataproc_fake.clock import Project as ProjectClock
from tests.services.gcs_server import GcsServer
from tests.services.ports import free_port

ROOT = Path(__file__).parents[3]
ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
REGION = "europe-west1"


class FakeDataproc:
    """A fake Dataproc in a process of its own.

    Args:
        folder: Its state, its certificates, and the files of its jobs; the same folder again is the same Dataproc.
        gcs: Where jobs come from and output goes to.
        options: More of its options: ``["--create", "2", "--fault", "create_stuck"]``.
    """

    def __init__(self, folder: Path, gcs: GcsServer | None = None, options: tuple[str, ...] = ()) -> None:
        self.folder, self.gcs, self.options = folder, gcs, options
        self.port, self.control_port = free_port(), free_port()
        self.state, self.log = folder / "state.sqlite", folder / "calls.jsonl"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """``host:port`` of the API; always TLS."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Address of the HTTP server beside it."""
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def authority(self) -> Path:
        """The certificate to trust; gRPC reads its path from the environment variable ``ROOTS``."""
        return self.folder / "tls" / "ca.pem"

    def start(self) -> None:
        """Start the process and wait until it serves.

        Raises:
            RuntimeError: It does not.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        own = {"port": self.port, "control-port": self.control_port, "state": self.state, "calls": self.log}
        named = [text for name, value in own.items() for text in (f"--{name}", str(value))]
        named += ["--gcs", self.gcs.url] if self.gcs is not None else []
        with (self.folder / "server.log").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.services.dataproc_fake", "--end-with-stdin", *named, *self.options],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={key: value for key, value in os.environ.items() if key != ROOTS},
                start_new_session=True,
            )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError(f"the fake Dataproc did not start: {(self.folder / 'server.log').read_text()[-2000:]}")
        self.ask("faults")

    def kill(self) -> None:
        """End the process by SIGKILL; what it answered before is in its state."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._close()

    def stop(self) -> None:
        """End the process and all that it started."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
            self._process.kill()
        self._close()

    def ask(self, what: str, **asked: Any) -> Any:
        """Ask its control server.

        Raises:
            ValueError: It refuses.
        """
        request = urllib.request.Request(f"{self.url}/control/{what}", json.dumps(asked).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None

    def calls(self, project: str = "") -> list[dict[str, Any]]:
        """Return the log of calls, of one project or of all."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [call for line in lines if (call := json.loads(line))["project"] == (project or call["project"])]

    def project(self, **settings: Any) -> Project:
        """Return a new project; see :meth:`Project.configure` for the settings."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        project = Project(self, name, bucket=self.gcs.bucket() if self.gcs is not None else "no-bucket")
        project.configure(**settings)
        return project

    def credentials(self, account: str | None = None) -> Any:
        """Return credentials of workload identity federation, from a token file through to the fake's own token endpoint.

        Args:
            account: Service account to be impersonated; None takes the federated token itself.
        """
        from google.auth import identity_pool

        return identity_pool.Credentials.from_info(self.credential_document(account))  # type: ignore[no-untyped-call]

    def credential_document(self, account: str | None = None) -> dict[str, Any]:
        """Return those credentials as the file that ``GOOGLE_APPLICATION_CREDENTIALS`` names: ``external_account``, no key in it."""
        token = self.folder / "subject-token"
        token.write_text(SUBJECT)
        document = {
            "type": "external_account",
            # No project's number: google-auth would ask cloudresourcemanager.googleapis.com for its name.
            "audience": "//iam.googleapis.com/locations/global/workloadIdentityPools/tests/providers/fake",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{self.url}/token",
            "credential_source": {"file": str(token)},
            "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
        }
        if account is not None:
            document["service_account_impersonation_url"] = f"{self.url}/impersonate/{account}:generateAccessToken"
        return document

    def _close(self) -> None:
        if self._process is not None:
            self._process.wait(60)
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()


@dataclass
class Project:
    """One project of the fake, with a bucket of its own.

    Attributes:
        fake: Where it is.
        id: Its id.
        region: The region that tests use.
        bucket: A bucket for what the test uploads, and for the driver's output if ``config_bucket`` names it.
        clock: The project's clock, as the fake last told it.
    """

    fake: FakeDataproc
    id: str
    region: str = REGION
    bucket: str = ""
    clock: ProjectClock = field(default_factory=lambda: ProjectClock("", 0, 0))

    def configure(self, *, speed: float | None = None, advance: float = 0.0, **timing: float) -> None:
        """Let the project's clock go ``speed`` times as fast, or jump ahead by seconds; and say how long things take by that clock.

        Args:
            speed: Ratio to the machine's clock.
            advance: Seconds.
            timing: Fields of :class:`~tests.services.dataproc_fake.records.Timing`: ``create=60, delete=30, dask_workers=0``.
        """
        asked = {"speed": speed, "advance": advance, "timing": timing}
        self.clock = ProjectClock(**self.fake.ask("configure", project=self.id, **asked))

    def now(self) -> datetime:
        """Return the project's time; jumps that a fault made are seen after :meth:`refresh`."""
        return datetime.fromtimestamp(self.clock.at(time.time()), UTC)

    def refresh(self) -> datetime:
        """Ask the fake for the clock, and return the time."""
        self.configure()
        return self.now()

    @property
    def speed(self) -> float:
        """How much faster than the machine's its clock goes."""
        return self.clock.speed

    def arm(self, name: str, *, nth: int = 1, times: int | None = None, **args: Any) -> None:
        """Arm a fault of ``faults.py`` for this project's n-th call from now that it can strike."""
        self.fake.ask("arm", name=name, project=self.id, nth=nth, times=times, args=args)

    def disarm(self) -> None:
        """Forget all faults of this project."""
        self.fake.ask("disarm", project=self.id)

    def bill(self) -> dict[str, Any]:
        """Return ``{"now", "seconds", "clusters": [{"name", "uuid", "created", "gone", "seconds", "state"}]}`` of the project's own clusters."""
        found: dict[str, Any] = self.fake.ask("bill", project=self.id)
        return found

    def billing(self) -> list[dict[str, Any]]:
        """Return the clusters that are still billed."""
        return [cluster for cluster in self.bill()["clusters"] if cluster["gone"] is None]

    def forbidden(self) -> int:
        """Return how many calls came while ``no_calls`` was armed."""
        self.refresh()
        return self.clock.forbidden

    def calls(self, *methods: str) -> list[dict[str, Any]]:
        """Return the calls so far, of some methods or of all."""
        return [call for call in self.fake.calls(self.id) if not methods or call["method"] in methods]

    def wait(self, true: Callable[[], Any], seconds: float = 120) -> Any:
        """Wait until something is true, at most so many seconds of the machine's clock, and return it.

        Raises:
            TimeoutError: It is not.
        """
        end = time.monotonic() + seconds
        while not (found := true()):
            if time.monotonic() > end:
                raise TimeoutError(f"not so within {seconds}s; calls: {self.calls()[-5:]}")
            time.sleep(0.02)
        return found

    def pass_time(self, length: timedelta) -> None:
        """Let so much of the project's time pass at once."""
        self.configure(advance=length.total_seconds())


@contextlib.contextmanager
def fake_dataproc(folder: Path, gcs: GcsServer | None = None, options: tuple[str, ...] = ()) -> Iterator[FakeDataproc]:
    """Start a fake, and end it with all that it started."""
    fake = FakeDataproc(folder, gcs, options)
    try:
        fake.start()
        yield fake
    finally:
        fake.stop()
