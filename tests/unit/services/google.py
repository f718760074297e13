# SPDX-License-Identifier: Apache-2.0
"""The unmodified ``google.cloud.dataproc_v1`` clients against the fake, with what tests ask for again and again."""

from __future__ import annotations

import time
import urllib.parse
from typing import Any

from tests.services.dataproc_fake.objects import Objects
from tests.services.dataproc_fake.running import FakeDataproc, Project

SLEEPER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("told to stop", flush=True), sys.exit(1)))
print("ready", flush=True)
time.sleep(60)
"""
_made: dict[FakeDataproc, tuple[Any, Any, Any]] = {}


class Google:
    """Clients of one project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.place = {"project_id": project.id, "region": project.region}
        self.clusters, self.jobs, self.workflows = _clients(project.fake)
        assert project.fake.gcs is not None
        self.objects = Objects(project.fake.gcs.url)

    def create(self, name: str = "c1", config: dict[str, Any] | None = None, **more: Any) -> Any:
        """Ask for a cluster; return the operation's future."""
        labels = more.pop("labels", {"team": "data"})
        whole = {"config_bucket": self.project.bucket} | (config or {})
        cluster = {"cluster_name": name, "labels": labels, "config": whole}
        return self.clusters.create_cluster(request=self.place | {"cluster": cluster} | more, retry=None, timeout=120)

    def made(self, name: str = "c1", config: dict[str, Any] | None = None, **more: Any) -> Any:
        """Make a cluster and wait for it."""
        self.create(name, config, **more)
        return self.until(name, "RUNNING")

    def until(self, name: str, state: str) -> Any:
        """Wait until a cluster is in a state."""
        return self.project.wait(lambda: (found := self.get(name)).status.state.name == state and found)

    def get(self, name: str = "c1") -> Any:
        """Return a cluster."""
        return self.clusters.get_cluster(request=self.place | {"cluster_name": name}, retry=None)

    def listed(self, text: str = "", **more: Any) -> list[str]:
        """Return the names of the clusters that a filter chooses."""
        found = self.clusters.list_clusters(request=self.place | {"filter": text} | more, retry=None)
        return [cluster.cluster_name for cluster in found]

    def delete(self, name: str = "c1", **more: Any) -> Any:
        """Ask for the end of a cluster."""
        return self.clusters.delete_cluster(request=self.place | {"cluster_name": name} | more, retry=None)

    def gone(self) -> None:
        """Wait until nothing is billed."""
        self.project.wait(lambda: not self.project.billing())

    def submit(
        self, code: str, job_id: str = "j1", cluster: str = "c1", args: tuple[str, ...] = (), **more: Any
    ) -> Any:
        """Upload a program and submit it."""
        uri = f"gs://{self.project.bucket}/code/{urllib.parse.quote(job_id)}.py"
        self.objects.write(uri, code.encode())
        job = {
            "reference": {"job_id": job_id},
            "placement": {"cluster_name": cluster},
            "pyspark_job": {"main_python_file_uri": uri, "args": list(args)} | more.pop("driver", {}),
            "labels": more.pop("labels", {}),
        }
        return self.jobs.submit_job(request=self.place | {"job": job} | more, retry=None)

    def job(self, job_id: str = "j1") -> Any:
        """Return a job."""
        return self.jobs.get_job(request=self.place | {"job_id": job_id}, retry=None)

    def job_until(self, *states: str, job_id: str = "j1") -> Any:
        """Wait until a job is in one of the states."""
        return self.project.wait(lambda: (found := self.job(job_id)).status.state.name in states and found)

    def cancel(self, job_id: str = "j1") -> Any:
        """Tell a job to stop."""
        return self.jobs.cancel_job(request=self.place | {"job_id": job_id}, retry=None)

    def log(self, job: Any) -> dict[int, str]:
        """Return the parts of a job's output."""
        found = {}
        for part in range(50):
            try:
                found[part] = self.objects.read(f"{job.driver_output_resource_uri}.{part:09d}").decode()
            except OSError:
                continue
        return found

    def wait_a_while(self) -> None:
        """Let a few ticks of the fake pass."""
        time.sleep(0.2)


def _clients(fake: FakeDataproc) -> tuple[Any, Any, Any]:
    from google.api_core.client_options import ClientOptions
    from google.cloud import dataproc_v1 as api

    if fake not in _made:
        given = {"client_options": ClientOptions(api_endpoint=fake.endpoint), "credentials": fake.credentials()}
        kinds = (api.ClusterControllerClient, api.JobControllerClient, api.WorkflowTemplateServiceClient)
        _made[fake] = tuple(kind(**given) for kind in kinds)  # type: ignore[assignment]
    return _made[fake]
