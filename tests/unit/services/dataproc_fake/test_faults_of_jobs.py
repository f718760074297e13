# SPDX-License-Identifier: Apache-2.0
"""Each fault of a job shows on the wire what it claims."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.services.google import SLEEPER, Google

exceptions = pytest.importorskip("google.api_core.exceptions")
BEATING = "import itertools, time\nfor n in itertools.count(): print(n, flush=True); time.sleep(0.05)"


def test_each_row_of_the_table_has_a_fault() -> None:
    from tests.services.dataproc_fake.faults import FAULTS

    assert {row for fault in FAULTS.values() for row in fault.rows} == set(range(1, 28))
    assert all(fault.text for fault in FAULTS.values())


def test_submit_reply_lost(google: Google) -> None:
    google.made()
    google.project.arm("submit_reply_lost")
    with pytest.raises(exceptions.ServiceUnavailable):
        google.submit("print(1)", request_id="same")
    again = google.submit("print(1)", request_id="same")
    assert google.job_until("DONE").job_uuid == again.job_uuid
    assert google.log(google.job()) == {0: "1\n"}


def test_submit_exists(google: Google) -> None:
    google.made()
    google.project.arm("submit_exists")
    for _ in range(2):
        with pytest.raises(exceptions.AlreadyExists):
            google.submit("print(1)", request_id="same")
    google.job_until("DONE")


def test_foreign_job(google: Google) -> None:
    google.made()
    google.project.arm("foreign_job")
    with pytest.raises(exceptions.AlreadyExists):
        google.submit("print(1)", labels={"mine": "yes"})
    assert dict(google.job().labels) == {"team": "other"}


def test_driver_dies(google: Google) -> None:
    google.made()
    google.project.arm("driver_dies")
    google.submit(SLEEPER)
    assert "exit code -9" in google.job_until("ERROR").status.details


def test_driver_hangs_and_is_killed_after_the_grace(google: Google) -> None:
    google.project.configure(cancel_grace=0.5)
    google.made()
    google.project.arm("driver_hangs", after=0.1)
    google.submit(f"import os\nprint('process', os.getpid())\n{BEATING}")
    job = google.project.wait(lambda: google.log(google.job()) and google.job())
    output = google.project.fake.folder / "run/jobs" / job.job_uuid / "driver.log"
    process = Path("/proc", output.read_text().split()[1], "stat")
    google.project.wait(lambda: process.read_text().rpartition(")")[2].split()[0] == "T")
    google.project.wait(lambda: "".join(google.log(job).values()) == output.read_text())
    before = google.log(job)
    time.sleep(0.5)
    assert google.log(job) == before
    assert google.job().status.state.name == "RUNNING"
    google.cancel()
    google.job_until("CANCELLED")


def test_cancel_stuck(google: Google) -> None:
    google.made()
    google.submit(BEATING)
    job = google.project.wait(lambda: google.log(google.job()) and google.job())
    google.project.arm("cancel_stuck")
    google.cancel()
    before = google.log(job)
    google.project.wait(lambda: google.log(job) != before)
    assert google.job().status.state.name == "CANCEL_PENDING"


def test_ttl_mid_job(google: Google) -> None:
    cluster = google.made(config={"lifecycle_config": {"auto_delete_ttl": {"seconds": 1200}}})
    before = google.project.now()
    google.project.arm("ttl_mid_job")
    google.submit(SLEEPER)
    assert "auto_delete_ttl" in google.job_until("ERROR").status.details
    google.gone()
    assert 1100 < (google.project.refresh() - before).total_seconds() < 1300
    assert google.project.bill()["clusters"][0]["uuid"] == cluster.cluster_uuid


def test_log_missing(google: Google) -> None:
    google.made()
    google.project.arm("log_missing")
    google.submit("print(1)")
    assert google.log(google.job_until("DONE")) == {}


def test_log_rotated(google: Google) -> None:
    google.made()
    google.project.arm("log_rotated", bytes=64)
    google.submit("for n in range(20): print(f'line {n:04d}')")
    parts = google.log(google.job_until("DONE"))
    assert sorted(parts) == [1, 2, 3]


def test_unknown_names_are_refused(google: Google) -> None:
    with pytest.raises(ValueError, match="there is no fault 'nothing'"):
        google.project.arm("nothing")


def test_a_fault_strikes_its_own_project_and_call_only(google: Google) -> None:
    google.made()
    google.project.arm("submit_reply_lost", nth=2)
    google.submit("print(1)", job_id="a")
    other = Google(google.project.fake.project(dask_workers=0))
    other.made()
    other.submit("print(1)", job_id="a")
    with pytest.raises(exceptions.ServiceUnavailable):
        google.submit("print(1)", job_id="b")
    google.submit("print(1)", job_id="c")
