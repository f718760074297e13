# SPDX-License-Identifier: Apache-2.0
"""A machine of Dataproc in a folder, with stand-ins for what only a real one has: for the initialization action."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.house.tree import ROOT

SCRIPT = ROOT / "airflow_dataops/resources/dataproc/dask_init.sh"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
URI = "gs://bucket/dataops/env/abc.tar.gz"
NFS = {"dataops-nfs-server": "10.0.0.2", "dataops-nfs-export": "/share", "dataops-nfs-mount-point": "/mnt/data"}
CURL = """#!/bin/sh
for word in "$@"; do last=$word; done
while [ $# -gt 0 ]; do [ "$1" = --output ] && out=$2; shift; done
echo "$last" >>"$STUBS/curl.calls"
file="$STUBS/metadata/${last##*/}"
if [ -e "$STUBS/metadata.down" ]; then echo 'curl: (28) timed out' >&2; printf 000; exit 28; fi
if [ -e "$file" ]; then cp "$file" "$out"; printf 200; else printf 404; fi
"""
# Notes its call; a file NAME.fail with a number makes so many calls fail.
STAND_IN = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >>"$STUBS/calls"
left=$(cat "$STUBS/$name.fail" 2>/dev/null || echo 0)
if [ "$left" -gt 0 ]; then echo $((left - 1)) >"$STUBS/$name.fail"; echo "$name: it is out of order" >&2; exit 1; fi
"""
MORE = {
    "gcloud": 'cp "$STUBS/environment.tar.gz" "$4"\n',
    "mountpoint": 'test -e "$STUBS/mounted"\n',
    "mount": 'touch "$STUBS/mounted"\n',
    "id": "exit 1\n",
    "mount.nfs4": "",
    "systemctl": "",
    "useradd": "",
    "journalctl": "",
    "apt-get": "",
}


class Machine:
    """A root folder, metadata, and stand-ins on the path."""

    def __init__(self, folder: Path) -> None:
        self.root, self.stubs = folder / "root", folder / "stubs"
        (self.stubs / "metadata").mkdir(parents=True)
        (self.stubs / "bin").mkdir()
        self._program("curl", CURL)
        for name, more in MORE.items():
            self._program(name, STAND_IN + more)
        self.metadata(**{"dataproc-role": "Worker", "dataproc-master": "cluster-m"})
        self.metadata(**{"dataops-dask-runtime": "standalone", "dataops-environment-uri": URI})
        self.environment()

    def metadata(self, **values: str) -> None:
        for key, value in values.items():
            (self.stubs / "metadata" / key).write_text(value)

    def without(self, name: str) -> None:
        (self.stubs / "bin" / name).unlink(missing_ok=True)
        (self.stubs / "metadata" / name).unlink(missing_ok=True)

    def environment(self, version: str = VERSION, *, driver: str = "", manifest: bool = True) -> None:
        """Make a tarball like that of `dataops package`, with packages that hold nothing."""
        folder = self.stubs / "environment"
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("airflow_dataops/__init__.py", "airflow_dataops/jobs/__init__.py", "distributed.py"):
            path = folder / "site-packages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        (folder / "site-packages/airflow_dataops/jobs/dask_driver.py").write_text(driver)
        if manifest:
            (folder / "dataops-env.json").write_text(json.dumps({"python": version}))
        with tarfile.open(self.stubs / "environment.tar.gz", "w:gz") as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name)

    def out_of_order(self, name: str, times: int = 99) -> None:
        (self.stubs / f"{name}.fail").write_text(str(times))

    def run(self) -> subprocess.CompletedProcess[str]:
        path = f"{self.stubs / 'bin'}:/usr/bin:/bin"
        settings = {"PATH": path, "STUBS": str(self.stubs), "DATAOPS_ROOT": str(self.root)}
        quick = {"DATAOPS_PYTHON": sys.executable, "DATAOPS_RETRIES": "3", "DATAOPS_PAUSE": "0"}
        return subprocess.run(
            ["bash", str(SCRIPT)], env={**settings, **quick}, capture_output=True, text=True, timeout=600, check=False
        )

    def good(self) -> str:
        done = self.run()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def bad(self) -> str:
        """Run it to its failure, and return the one line that says why."""
        done = self.run()
        assert done.returncode == 1, done.stdout + done.stderr
        lines = [line for line in done.stderr.splitlines() if "FAILED" in line]
        assert lines == done.stderr.splitlines()[-1:]
        return lines[0]

    def calls(self, word: str = "") -> list[str]:
        path = self.stubs / "calls"
        return [line for line in path.read_text().splitlines() if word in line] if path.exists() else []

    def unit(self, name: str) -> str:
        return (self.root / "etc/systemd/system" / f"{name}.service").read_text()

    def _program(self, name: str, text: str) -> None:
        path = self.stubs / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
