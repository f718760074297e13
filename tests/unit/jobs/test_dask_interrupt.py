# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.jobs.dask_interrupt import Interrupted, Interrupter


def nobody(_error: DataOpsError) -> None:
    raise AssertionError("the guard spoke although the work had ended")


def test_sigterm_becomes_an_exception_that_a_broad_except_does_not_swallow() -> None:
    with Interrupter(nobody), pytest.raises(Interrupted) as caught:  # noqa: PT012
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except Exception:  # noqa: BLE001 - as a user's code may have it
            pytest.fail("swallowed")
    assert caught.value.error.code == "CANCELLED"


def test_another_thread_ends_a_wait_with_its_own_reason() -> None:
    reason = DataOpsError("gone", code="SCHEDULER_LOST")
    with Interrupter(nobody) as interrupter, pytest.raises(Interrupted) as caught:  # noqa: PT012
        threading.Timer(0.05, interrupter.end, (reason,)).start()
        threading.Event().wait(60)
    assert caught.value.error is reason


def test_it_is_raised_once() -> None:
    with Interrupter(nobody):
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)


def test_nothing_is_raised_behind_the_shield() -> None:
    with Interrupter(nobody) as interrupter:
        interrupter.shield()
        os.kill(os.getpid(), signal.SIGINT)
    assert interrupter.reason is not None


def test_the_guard_speaks_when_the_work_does_not_end() -> None:
    said: list[str] = []
    with Interrupter(lambda error: said.append(error.code), grace=0.1) as interrupter:
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: bool(said))
    assert said == ["CANCELLED"]
    assert interrupter.reason is not None


def test_signals_that_the_users_code_handles_are_its_own() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: heard.append(number))
    try:
        with Interrupter(nobody, grace=0.05):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]


def test_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupter(nobody):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def wait_until(true: object, seconds: float = 60) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
