# SPDX-License-Identifier: Apache-2.0
"""What a worker's process tells of itself, and how its arguments are refused."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from airflow_dataops.core.errors import SpecError, TransientError
from airflow_dataops.services.metadata_worker import read_transforms
from dag_factories.cli import main

pytest.importorskip("prometheus_client", reason="needs prometheus-client: pip install 'airflow-dataops[metadata]'")
from airflow_dataops.services.metadata_worker_metrics import WorkerWatch
from airflow_dataops.services.probes import probes

NAME = "dataops_metadata_worker"


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_probes_follow_the_worker() -> None:
    watch = WorkerWatch()
    with probes(watch, "127.0.0.1", 0) as port:
        assert [status(port, path) for path in ("/healthz", "/readyz", "/x")] == [200, 503, 404]
        watch.stage("read", 0.1)
        assert status(port, "/readyz") == 200
        watch.failed(TransientError("gone", code="MONGO_UNREACHABLE"), 1.0)
        assert [status(port, path) for path in ("/healthz", "/readyz")] == [200, 503]
    dead = WorkerWatch(hangs=0.0)
    dead.stage("read", 0.1)
    with probes(dead, "127.0.0.1", 0) as port:
        assert [status(port, path) for path in ("/healthz", "/readyz", "/metrics")] == [503, 503, 200]


def test_metrics_have_the_names_that_dashboards_ask_for() -> None:
    watch = WorkerWatch()
    watch.cycle(stored=3, dead=1, changed=2)
    watch.failed(TransientError("gone", code="KAFKA_UNREACHABLE"), 0.0)
    watch.lag({("t", 0): 7, ("t", 1): 1})
    watch.lag({("t", 1): 5})
    lines = watch.text().decode().splitlines()
    for wanted in (
        f'{NAME}_records_total{{outcome="stored"}} 3.0',
        f'{NAME}_records_total{{outcome="dead"}} 1.0',
        f"{NAME}_documents_changed_total 2.0",
        f'{NAME}_errors_total{{code="KAFKA_UNREACHABLE"}} 1.0',
        f'{NAME}_lag_records{{partition="1"}} 5.0',
        f'{NAME}_batch_seconds_count{{stage="commit"}} 0.0',
    ):
        assert wanted in lines
    assert not any('partition="0"' in line for line in lines)  # another worker's by now


def age(watch: WorkerWatch) -> float:
    name = f"{NAME}_oldest_record_age_seconds "
    (line,) = (line for line in watch.text().decode().splitlines() if line.startswith(name))
    return float(line.removeprefix(name))


def test_the_oldest_record_ages_until_it_is_committed() -> None:
    now = 1000.0
    watch = WorkerWatch(clock=lambda: now)
    gone = TransientError("gone", code="MONGO_UNREACHABLE")
    assert age(watch) == 0
    watch.waiting({("t", 0): 990_000, ("t", 1): 995_500})
    assert age(watch) == 10
    now = 1300.0
    watch.failed(gone, 1.0)
    assert age(watch) == 310  # it is not committed, and so waits on
    watch.waiting({("t", 1): 1_301_000})  # of a producer whose clock is ahead
    assert age(watch) == 0
    watch.waiting({("t", 1): 1_200_000})
    watch.cycle(stored=1, dead=0, changed=1)
    assert age(watch) == 100  # until the next poll says what comes after it
    watch.lag({("t", 1): 3})
    watch.failed(gone, 1.0)
    assert age(watch) == 100
    watch.lag({("t", 1): 0})
    watch.failed(gone, 1.0)
    assert age(watch) == 0
    watch.waiting({("t", 1): 1_200_000})
    watch.waiting({})
    assert age(watch) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run-worker", "--bootstrap", "b:1", "--no-archive"], "DATAOPS_MONGO_URI"),
        (["run-worker", "--bootstrap", "b:1"], "--archive"),
        (["run-worker", "--bootstrap", "b:1", "--no-archive", "--listen", "9464"], "127.0.0.1:9464"),
        (["run-worker", "--no-archive", "--mongo-uri-file", "/nowhere"], "cannot be read"),
        (["run-worker", "--bootstrap", "b:1", "--no-archive", "--records", "0"], "1 or more"),
        (["run-worker", "--bootstrap", "b:1", "--no-archive", "--mib", "-1"], "1 or more"),
        (["replay", "--bootstrap", "b:1", "--reason", "NOT_JSN"], "NOT_JSON"),
        (["replay", "--bootstrap", "b:1", "--since", "yesterday"], "2026-01-31"),
        (["replay", "--bootstrap", "b:1", "--limit", "0"], "--dry-run"),
        (["replay"], "--bootstrap"),
    ],
)
def test_what_cannot_be_meant_is_told_with_what_to_type(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DATAOPS_MONGO_URI", "DATAOPS_KAFKA_BOOTSTRAP", "DATAOPS_KAFKA_CONFIG", "DATAOPS_METADATA_ARCHIVE"):
        monkeypatch.delenv(name, raising=False)
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_transforms_are_read_from_a_file_of_their_own_or_a_pipelines(tmp_path: Path) -> None:
    steps = "revision: 3\nsteps:\n  - {name: a, drop: [extracted.logs]}\n"
    (tmp_path / "own.yaml").write_text(steps)
    (tmp_path / "pipeline.yaml").write_text(
        "kind: x\ntransforms:\n" + "".join(f"  {line}\n" for line in steps.splitlines())
    )
    assert read_transforms(tmp_path / "own.yaml") == read_transforms(tmp_path / "pipeline.yaml")
    (tmp_path / "bad.yaml").write_text("[")
    (tmp_path / "list.yaml").write_text("- a")
    for name in ("bad", "list", "none"):
        with pytest.raises(SpecError) as error:
            read_transforms(tmp_path / f"{name}.yaml")
        assert error.value.code == "TRANSFORMS_INVALID"
