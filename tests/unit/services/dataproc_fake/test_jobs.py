# SPDX-License-Identifier: Apache-2.0
"""Jobs of the fake are processes."""

from __future__ import annotations

import os

import pytest

from tests.unit.services.google import SLEEPER, Google

exceptions = pytest.importorskip("google.api_core.exceptions")


def test_a_job_runs_with_its_files_and_arguments_and_its_output_is_in_the_bucket(google: Google) -> None:
    google.made()
    google.objects.write(f"gs://{google.project.bucket}/lib/lent_module.py", b"WORD = 'lent'")
    code = "import os, sys, lent_module; print(sys.argv[1:], lent_module.WORD, os.environ['STORAGE_EMULATOR_HOST'])"
    files = {"python_file_uris": [f"gs://{google.project.bucket}/lib/lent_module.py"]}
    google.submit(code, args=("--a", "b"), driver=files)
    job = google.job_until("DONE")
    assert [status.state.name for status in job.status_history] == ["PENDING", "SETUP_DONE", "RUNNING"]
    assert google.log(job) == {0: f"['--a', 'b'] lent {google.objects.url}\n"}


def test_a_job_that_fails_is_in_error_with_its_exit_code(google: Google) -> None:
    google.made()
    google.submit("raise SystemExit('bad day')")
    job = google.job_until("ERROR")
    assert "exit code 1" in job.status.details
    assert job.driver_output_resource_uri in job.status.details
    assert google.log(job) == {0: "bad day\n"}


def test_a_job_is_cancelled_by_sigterm(google: Google) -> None:
    google.made()
    google.submit(SLEEPER)
    google.project.wait(lambda: google.log(google.job()))
    assert google.cancel().status.state.name == "CANCEL_PENDING"
    job = google.job_until("CANCELLED")
    assert "told to stop" in google.log(job)[0]


def test_output_is_cut_into_parts(google: Google) -> None:
    google.project.configure(log_part_bytes=64)
    google.made()
    google.submit("for n in range(20): print(f'line {n:04d}')")
    parts = google.log(google.job_until("DONE"))
    assert sorted(parts) == [0, 1, 2, 3]
    assert "".join(parts.values()).splitlines() == [f"line {number:04d}" for number in range(20)]


def test_a_job_is_taken_once(google: Google) -> None:
    google.made()
    first = google.submit("print(1)", request_id="same")
    again = google.submit("print(1)", request_id="same")
    assert again.job_uuid == first.job_uuid
    with pytest.raises(exceptions.AlreadyExists):
        google.submit("print(1)", request_id="another")


def test_an_id_stays_used_after_its_cluster_is_gone(google: Google) -> None:
    google.made()
    google.submit("print(1)")
    google.job_until("DONE")
    google.delete().result(timeout=120)
    google.made()
    with pytest.raises(exceptions.AlreadyExists):
        google.submit("print(1)")
    assert google.job().status.state.name == "DONE"


def test_the_end_of_a_cluster_is_the_end_of_its_jobs(google: Google) -> None:
    google.made()
    google.submit("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    pid = int(google.project.wait(lambda: google.log(google.job()))[0])
    google.delete()
    assert "was deleted" in google.job_until("ERROR").status.details
    google.project.wait(lambda: not os.path.exists(f"/proc/{pid}"))


def test_a_job_needs_a_cluster_that_runs(google: Google) -> None:
    with pytest.raises(exceptions.NotFound):
        google.submit("print(1)")
    google.project.configure(create=60)
    google.create()
    with pytest.raises(exceptions.FailedPrecondition):
        google.submit("print(1)")


def test_jobs_are_listed_by_labels_and_state(google: Google) -> None:
    google.made()
    google.submit("print(1)", job_id="a", labels={"run": "one"})
    google.submit("print(1)", job_id="b", labels={"run": "two"})
    google.job_until("DONE", job_id="a")
    google.job_until("DONE", job_id="b")
    found = google.jobs.list_jobs(request=google.place | {"filter": "labels.run = one AND status.state = NON_ACTIVE"})
    assert [job.reference.job_id for job in found] == ["a"]
    assert list(google.jobs.list_jobs(request=google.place | {"filter": "status.state = ACTIVE"})) == []


def test_a_job_with_an_id_that_is_too_long_is_refused(google: Google) -> None:
    google.made()
    with pytest.raises(exceptions.InvalidArgument):
        google.submit("print(1)", job_id="j" * 101)


def test_many_jobs_can_be_imitated_without_processes(google: Google) -> None:
    google.project.configure(imitated=0.3)
    google.made()
    for number in range(20):
        spec = f"gs://{google.project.bucket}/specs/{number}.json"
        google.submit("raise SystemExit(1)", job_id=f"j{number}", args=("--spec", spec))
    for number in range(20):
        google.job_until("DONE", job_id=f"j{number}")
        assert b'"ok": true' in google.objects.read(f"gs://{google.project.bucket}/specs/j{number}/result.json")


def test_unknown_lengths_of_time_are_refused(google: Google) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        google.project.configure(creation=3)
