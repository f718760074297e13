# SPDX-License-Identifier: Apache-2.0
"""Mode standalone, with a spark-submit that is a small script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_dataops.core.errors import TransientError
from tests.unit.operators.spark_k8s.memory import SECRET, connect
from tests.unit.operators.spark_k8s.standalone import shell

pytestmark = [pytest.mark.airflow]
SUBMIT = """#!/bin/sh
for word; do last=$word; done
echo "argv: $*"
echo "env: $(env | sort | tr '\\n' ' ')" >&2
case $last in
  good) echo 'Connected to Spark cluster with app ID app-20261122053000-0007'; seq 1000 >&2; printf '{"rows": 4}' > "$DATAOPS_RESULT" ;;
  bad) printf 'Traceback (most recent call last):\\n  File "job.py", line 1\\nValueError: no such column: tailnum\\n' >&2; exit 1 ;;
  full) echo 'java.lang.OutOfMemoryError: Java heap space' >&2; exit 52 ;;
  long) sleep 600 & echo $! > "$PIDS"; wait ;;
esac
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    submit = tmp_path / "spark/bin/spark-submit"
    submit.parent.mkdir(parents=True)
    submit.write_text(SUBMIT)
    submit.chmod(0o755)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_FOR_TESTS", "not for the driver")
    connect(monkeypatch, "store", conn_type="generic", password=SECRET)
    return tmp_path


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def until(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + 120
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def sleeper(home: Path) -> int:
    """Return the process that the program has started, as soon as there is one."""
    path = home / "pids"
    return int(until(lambda: path.is_file() and path.read_text().strip()))


def test_a_run_is_told_like_any_other_and_no_secret_is_in_its_arguments_or_log(
    home: Path, said: Callable[[], str]
) -> None:
    task = shell("good", home)
    found = task.run()
    assert (found["application_id"], found["exit_code"], found["result"]) == ("app-20261122053000-0007", 0, {"rows": 4})
    assert found["history_url"] == "https://history.example.com/history/app-20261122053000-0007/jobs/"
    log = said()
    assert "argv: --master spark://master:7077 --deploy-mode client" in log
    assert "STORE_PASSWORD=***" in log
    assert "not for the driver" not in log
    assert SECRET not in log + json.dumps([*task.ti.store.values()])


def test_what_has_no_effect_without_pods_is_told(home: Path, said: Callable[[], str]) -> None:
    shell("good", home, app={"image": "spark:3.5", "labels": {"team": "data"}}, attempts=3).run()
    assert "this has no effect: app.image, app.labels, policy.attempts" in said()


def test_what_has_an_effect_is_not_warned_of(home: Path, said: Callable[[], str]) -> None:
    shell("good", home).run()
    assert "no effect" not in said()


def test_a_failure_has_the_code_of_the_other_modes(home: Path) -> None:
    with pytest.raises(TransientError, match="no such column: tailnum") as failed:
        shell("bad", home).run()
    assert failed.value.code == "APP_ERROR"
    with pytest.raises(AirflowFailException, match="DRIVER_OOM"):
        shell("full", home).run()


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(home: Path) -> None:
    with pytest.raises(TransientError, match="longer than") as failed:
        shell("long", home, run_timeout="1s").run()
    assert failed.value.code == "RUN_TIMEOUT"
    pid = sleeper(home)
    until(lambda: is_gone(pid))  # a killed process may have to wait for its turn to die


def test_on_kill_ends_it_with_all_that_it_started(home: Path) -> None:
    task = shell("long", home)

    def kill() -> None:
        sleeper(home)
        task.operator.on_kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(TransientError, match="KILLED"):
        task.run()
    killer.join()
    pid = sleeper(home)
    until(lambda: is_gone(pid))  # a killed process may have to wait for its turn to die


def test_it_dies_with_its_worker(home: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from tests.unit.operators.spark_k8s.standalone import shell
shell("long", Path({str(home)!r})).run()
"""
    worker = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    pid = sleeper(home)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    until(lambda: is_gone(pid))


def test_without_spark_submit_it_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_HOME", str(home / "nowhere"))
    with pytest.raises(AirflowFailException, match=r"there is no spark-submit on this worker .* set SPARK_HOME"):
        shell("good", home).run()
