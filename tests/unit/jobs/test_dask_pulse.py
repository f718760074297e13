# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.errors import DataOpsError, StorageError, TransientError
from airflow_dataops.jobs.dask_pulse import Pulse
from airflow_dataops.jobs.dask_runtime.base import Seen, Session

BEAT = 0.02


class Scheduler(Session):
    """A session whose scheduler says what a test wants."""

    def __init__(self) -> None:
        super().__init__(client=None, name="test")
        self.answer: Seen | Exception = Seen("s1", 2)
        self.looks = 0

    def look(self, timeout: float) -> Seen:
        self.looks += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Watched:
    def __init__(self, folder: Path) -> None:
        self.path, self.scheduler = folder / "heartbeat.json", Scheduler()
        self.errors: list[DataOpsError] = []
        self.pulse = Pulse(JobFiles(), str(self.path), BEAT, self.errors.append)
        self.pulse.start()
        self.pulse.watch(self.scheduler)

    def beats(self) -> bool:
        """Wait for a new sign of life."""
        self.path.unlink(missing_ok=True)
        wait_until(self.path.exists)
        return True

    def is_silent(self) -> bool:
        """Tell whether there is no new sign of life for a while."""
        self.path.unlink(missing_ok=True)
        time.sleep(20 * BEAT)
        return not self.path.exists()

    def looks_again(self) -> None:
        """Wait until the pulse has begun two more looks: what came of those before is done."""
        before = self.scheduler.looks
        wait_until(lambda: self.scheduler.looks >= before + 2)

    def code(self) -> str:
        wait_until(lambda: bool(self.errors))
        return self.errors[0].code


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.pulse.stop()


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_beat_is_the_moment(watched: Watched) -> None:
    wait_until(watched.path.exists)
    assert datetime.fromisoformat(json.loads(watched.path.read_bytes())["at"]).tzinfo is not None


def test_it_beats_before_there_is_a_scheduler(tmp_path: Path) -> None:
    pulse = Pulse(JobFiles(), str(tmp_path / "heartbeat.json"), BEAT, lambda _: None)
    pulse.start()
    wait_until((tmp_path / "heartbeat.json").exists)
    pulse.stop()


def test_a_scheduler_that_refuses_stops_the_beat_and_then_the_work(watched: Watched) -> None:
    assert watched.beats()
    watched.scheduler.answer = OSError("refused")
    assert watched.code() == "SCHEDULER_LOST"
    assert watched.is_silent()


def test_a_busy_scheduler_stops_the_beat_and_not_the_work(watched: Watched) -> None:
    watched.scheduler.answer = TimeoutError("timed out")
    watched.looks_again()
    assert watched.is_silent()
    assert watched.errors == []
    watched.scheduler.answer = Seen("s1", 2)
    assert watched.beats()


def test_a_scheduler_that_is_busy_for_too_long_is_lost(watched: Watched) -> None:
    watched.pulse.silence = 10 * BEAT
    watched.scheduler.answer = TimeoutError("timed out")
    assert watched.code() == "SCHEDULER_LOST"


def test_a_scheduler_that_took_the_place_of_the_first_knows_nothing_of_the_work(watched: Watched) -> None:
    watched.scheduler.answer = Seen("s2", 2)
    assert watched.code() == "SCHEDULER_LOST"
    assert "taken its place" in watched.errors[0].message


def test_a_runtime_that_has_ended_ends_the_work(watched: Watched) -> None:
    watched.scheduler.ended = lambda: TransientError("application killed", code="NO_WORKERS")
    assert watched.code() == "NO_WORKERS"


def test_no_worker_for_too_long_ends_the_work(watched: Watched) -> None:
    watched.pulse.expect_workers(5 * BEAT)
    watched.scheduler.answer = Seen("s1", 0)
    assert watched.code() == "NO_WORKERS"
    assert "spot machines" in (watched.errors[0].hint or "")


def test_on_a_machine_of_ones_own_nobody_is_told_of_spot_machines(watched: Watched) -> None:
    watched.scheduler.name = "local"
    watched.pulse.expect_workers(5 * BEAT)
    watched.scheduler.answer = Seen("s1", 0)
    assert watched.code() == "NO_WORKERS"
    assert "ask for fewer workers" in (watched.errors[0].hint or "")


def test_no_worker_is_no_fault_before_any_is_expected(watched: Watched) -> None:
    watched.scheduler.answer = Seen("s1", 0)
    assert watched.beats()
    assert watched.errors == []


def test_the_most_workers_are_remembered(watched: Watched) -> None:
    watched.scheduler.answer = Seen("s1", 7)
    wait_until(lambda: watched.pulse.most == 7)
    watched.scheduler.answer = Seen("s1", 1)
    wait_until(lambda: watched.pulse.latest == 1)
    assert watched.pulse.most == 7


def test_a_bucket_that_does_not_answer_is_no_reason_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, tries = JobFiles(), []

    def refuse(*args: Any, **options: Any) -> None:
        tries.append(args)
        raise StorageError("no answer")

    monkeypatch.setattr(files, "write", refuse)
    errors: list[DataOpsError] = []
    pulse = Pulse(files, "gs://b/heartbeat.json", BEAT, errors.append)
    pulse.start()
    wait_until(lambda: len(tries) > 2)
    pulse.stop()
    assert errors == []


def test_stopped_means_stopped(watched: Watched) -> None:
    watched.pulse.stop()
    wait_until(lambda: not watched.pulse._thread.is_alive())
    assert watched.is_silent()
