# SPDX-License-Identifier: Apache-2.0
"""An endpoint that has buckets in the names of its hosts, and nobody at its own name: every library has to find the bucket's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.s3_servers import S3Server, s3_server

# In mounts of its own, where a file of names stands in the place of this machine's.
ELSEWHERE = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh"]
DOMAIN = "s3.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server("seaweedfs", tmp_path_factory.mktemp("s3"), options=(f"-s3.domainName={DOMAIN}",)) as made:
        yield made


def test_every_library_finds_the_bucket_by_its_host(server: S3Server, tmp_path: Path) -> None:
    hosts, bucket = tmp_path / "hosts", server.bucket()
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.1 {bucket}.{DOMAIN}\n")
    if subprocess.run([*ELSEWHERE, str(hosts), "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs mounts of its own: run it as root")
    url = server.url.replace("127.0.0.1", DOMAIN)
    environ = {**os.environ, **server.environ(), "S3_ENDPOINT_URL": url, "S3_PATH_STYLE": "false"}
    command = [sys.executable, "-m", "dag_factories", "check-s3", f"s3://{bucket}/lake", "--json"]
    done = subprocess.run(
        [*ELSEWHERE, str(hosts), *command, "--racers", "2", "--objects", "2"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {one["check"]: (one["level"], one["seen"]) for one in json.loads(done.stdout)}
    assert {check: one for check, one in found.items() if one[0] not in ("works", "lacks")} == {}
    assert {check: found[check][0] for check in ("permissions", "old_signature", "pyarrow", "s3fs", "delta")} == (
        dict.fromkeys(("permissions", "old_signature", "pyarrow", "s3fs", "delta"), "works")
    )
