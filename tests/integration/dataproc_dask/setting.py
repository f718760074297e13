# SPDX-License-Identifier: Apache-2.0
"""Arguments of operators for one project of the fake, and a driver that stands in where a test is not about Dask."""

from __future__ import annotations

import json
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.services.dataproc_fake.running import Project

# Reads the job's document as the real driver does, does what "function" says, and leaves a result.
DRIVER = """
import json, os, sys, time, urllib.error, urllib.parse, urllib.request
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
server = os.environ["STORAGE_EMULATOR_HOST"]
bucket, _, path = options["--spec"].removeprefix("gs://").partition("/")
spec = json.load(urllib.request.urlopen(f"{server}/storage/v1/b/{bucket}/o/{urllib.parse.quote(path, safe='')}?alt=media"))
folder = path.rpartition("/")[0] + "/" + options["--job-id"]

def put(name, document):
    url = f"{server}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={urllib.parse.quote(folder + '/' + name, safe='')}"
    request = urllib.request.Request(url, json.dumps(document).encode(), method="POST", headers={"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()

args = spec["args"]
for number in range(args.get("lines", 3)):
    print(f"line {number} of the driver", flush=True)
while args.get("wait_for"):
    try:
        urllib.request.urlopen(f"{server}/storage/v1/b/{bucket}/o/{args['wait_for']}").read()
        break
    except urllib.error.HTTPError:
        time.sleep(0.2)
name = spec["function"].partition(":")[2]
if name == "fail":
    put("result.json", {"schema_version": 1, "ok": False, "code": "FUNCTION_RAISED", "message": "ValueError: no luck"})
    sys.exit(1)
put("result.json", {"schema_version": 1, "ok": True, "result": {"answer": args.get("answer", 42)}, "seconds": {"function": 0.1}})
"""
RATES = {
    "currency": "USD",
    "machines": {"n2-standard-4": {"vcpus": 4, "hourly": "0.2"}},
    "dataproc_vcpu_hour": "0.01",
    "disk_gb_month": {"pd-balanced": "0.1"},
}


CONNECTION = "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"


def connection_to(dataproc: Project, folder: Path) -> str:
    """Return Airflow's connection to a project of the fake: a federated identity, no key."""
    document = folder / "federated.json"
    # Of an identity of a project's, google-auth would ask Google for that project's id.
    audience = "//iam.googleapis.com/locations/global/workforcePools/tests/providers/fake"
    document.write_text(json.dumps(dataproc.fake.credential_document() | {"audience": audience}))
    return json.dumps({"conn_type": "google_cloud_platform", "extra": {"credential_config_file": str(document)}})


@dataclass
class Setting:
    """A project of the fake."""

    dataproc: Project

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """Arguments of :class:`DataprocDaskJobOperator`; a mapping is laid over the default one."""
        given: dict[str, Any] = {
            "cluster": {
                "project": self.dataproc.id,
                "region": self.dataproc.region,
                "zones": ["europe-west1-b", "europe-west1-c"],
                "staging_bucket": self.dataproc.bucket,
                "subnetwork": f"projects/{self.dataproc.id}/regions/{self.dataproc.region}/subnetworks/dask",
            },
            "job": {"function": "jobs:answer", "bootstrap_uri": self.driver()},
            "policy": {"poll": 1, "backoff": 1, "backoff_limit": 2},
            "rate_card": RATES,
            "api_endpoint": self.dataproc.fake.endpoint,
            "instance": "tests",
        }
        for name, value in changes.items():
            given[name] = {**given.get(name, {}), **value} if isinstance(value, dict) else value
        return given

    def common(self, **changes: Any) -> dict[str, Any]:
        """Arguments of :func:`ephemeral_dask_cluster`: no job."""
        given = self.arguments(**changes)
        del given["job"]
        return given

    def driver(self) -> str:
        """Put the stand-in into the bucket, and return its address."""
        return self.put("stand_in.py", DRIVER.encode())

    def put(self, name: str, data: bytes = b"") -> str:
        """Put an object into the project's bucket, and return its address; a driver with ``wait_for`` of that name goes on."""
        server = os.environ["STORAGE_EMULATOR_HOST"]
        url = f"{server}/upload/storage/v1/b/{self.dataproc.bucket}/o?uploadType=media&name={quote(name)}"
        urllib.request.urlopen(urllib.request.Request(url, data, method="POST")).read()
        return f"gs://{self.dataproc.bucket}/{name}"
