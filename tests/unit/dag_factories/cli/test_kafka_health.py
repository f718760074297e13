# SPDX-License-Identifier: Apache-2.0
"""``dataops kafka-health``: what it asks, prints and exits with; what the brokers say is written down."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.kafka_health.bastion import Bastion
from dag_factories.cli import main
from dag_factories.cli._kafka_access import access_of, settings_in, settings_of_file
from dag_factories.cli._kafka_table import coloured, table_of
from tests.kafka_looks import answer, at, dark
from tests.unit.core.kafka_health.samples import GROUP, Watch, check_of

WHERE = ("--bootstrap", "nowhere:1")
PASSWORD = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("snapshot", "more", "status"),
    [
        (at(0, 9, 9), (), 0),
        (at(0, 1, 9), ("--lag-warning", "5"), 4),
        (at(0, 1, 9), ("--lag-critical", "5"), 1),
        (dark(0, "_TRANSPORT"), (), 5),
    ],
)
def test_the_exit_status_is_the_severity(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    snapshot: Any,
    more: tuple[str, ...],
    status: int,
) -> None:
    answer(monkeypatch, snapshot)
    assert main(["kafka-health", GROUP, *WHERE, *more]) == status
    assert "\x1b" not in capsys.readouterr().out


def test_samples_see_what_stands_still(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = answer(monkeypatch, *(at(minute, 1, 9) for minute in range(3)))
    assert main(["kafka-health", GROUP, *WHERE, "--samples", "3", "--interval", "5s", "--topic", "gpu-*"]) == 1
    said = capsys.readouterr().out
    assert "critical STALLED: gpu-metadata-0: " in said
    assert "  -> look for a record that the consumer cannot process" in said
    assert len(answers.slept) == 2
    assert answers.asked[0].topics == ("gpu-*",)


def test_json_is_the_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answer(monkeypatch, at(0, 1, 9, partitions=3))
    main(["kafka-health", GROUP, *WHERE, "--json", "--worst", "2"])
    found = json.loads(capsys.readouterr().out)
    assert (found["group"], found["total_lag"], len(found["worst"])) == (GROUP, 24, 2)


def test_watching_goes_on_until_somebody_interrupts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = answer(monkeypatch, *(at(minute, 1, 9) for minute in range(9)))

    async def sleep(seconds: float) -> None:
        answers.slept.append(seconds)
        if len(answers.slept) == 3:
            raise KeyboardInterrupt

    from airflow_dataops.clients.kafka_health import watch

    monkeypatch.setattr(watch, "pause", sleep)
    assert main(["kafka-health", GROUP, *WHERE, "--watch", "--json", "--interval", "7s"]) == 130
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["severity"] for line in lines] == ["ok", "critical", "critical"]
    assert answers.slept == [7.0] * 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--lag-critical", "many", *WHERE), "many"),
        (("--policy", "burow", *WHERE), "burrow"),
        ((), "--bootstrap HOST:PORT"),
        (("--config", "/no/such/file"), "cannot be read"),
    ],
)
def test_wrong_usage_is_told_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    answer(monkeypatch, at(0, 9, 9))
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert main(["kafka-health", GROUP, *more]) == 2
    assert said in capsys.readouterr().err


def arguments(**given: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"bootstrap": None, "config": None, "conn": None, "ssh_conn": None, **given})


def test_the_environment_a_file_and_options_go_one_before_the_other(tmp_path: Path) -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_SASL_PASSWORD": PASSWORD, "KAFKA_HEAP_OPTS": "-Xmx1g"}
    assert settings_in(environ) == {"bootstrap.servers": "a:1", "sasl.password": PASSWORD}
    file = tmp_path / "client.properties"
    file.write_text("# ours\nbootstrap.servers = b:1\n\nsasl.username=me\nssl.ca.pem=a=b\n")
    assert settings_of_file(file) == {"bootstrap.servers": "b:1", "sasl.username": "me", "ssl.ca.pem": "a=b"}
    access = access_of(arguments(config=str(file)), environ)
    assert (access.settings["bootstrap.servers"], access.settings["sasl.password"]) == ("b:1", PASSWORD)
    assert access_of(arguments(config=str(file), bootstrap="c:1"), environ).settings["bootstrap.servers"] == "c:1"


@pytest.mark.parametrize("text", ['{"bootstrap.servers": ', "bootstrap.servers\n"])
def test_a_file_that_is_neither_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    file = tmp_path / "client"
    file.write_text(text + PASSWORD)
    with pytest.raises(SpecError) as failed:
        settings_of_file(file)
    assert PASSWORD not in str(failed.value)


def test_a_connection_of_airflow_is_read_without_airflow() -> None:
    extra = {"bootstrap.servers": "a:1", "sasl.password": PASSWORD, "group.id": "g"}
    environ = {"AIRFLOW_CONN_PROD": json.dumps({"conn_type": "kafka", "extra": extra})}
    access = access_of(arguments(conn="prod"), environ)
    assert access.settings == {"bootstrap.servers": "a:1", "sasl.password": PASSWORD}
    with pytest.raises(SpecError, match="AIRFLOW_CONN_OTHER"):
        access_of(arguments(conn="other"), environ)


def test_a_bastion_is_a_connection_of_airflow_too() -> None:
    ssh = {"conn_type": "ssh", "host": "bastion", "login": "ops", "extra": {"private_key": PASSWORD}}
    environ = {"AIRFLOW_CONN_BASTION": json.dumps(ssh), "KAFKA_BOOTSTRAP_SERVERS": "a:1"}
    access = access_of(arguments(ssh_conn="bastion"), environ)
    assert access.bastion == Bastion("bastion", user="ops", private_key=PASSWORD)
    with pytest.raises(SpecError, match="AIRFLOW_CONN_OTHER"):
        access_of(arguments(ssh_conn="other"), environ)
    environ["AIRFLOW_CONN_BY_URI"] = "ssh://ops:secret-word@bastion:2222/?no_host_key_check=true"
    found = access_of(arguments(ssh_conn="by_uri"), environ).bastion
    assert found == Bastion("bastion", 2222, "ops", "secret-word", check_host_key=False)


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert (coloured(True), coloured(False)) == (True, False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(True)
    watch = Watch(check_of(lag={"critical": 5}))
    verdict = watch.look(at(0, 1, 9))
    painted = table_of(verdict, 10, colours=True)
    assert "\x1b[31mCRITICAL\x1b[0m" in painted
    plain = table_of(verdict, 10)
    for code in ("\x1b[31m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == plain


def test_the_table_has_the_worst_partitions_and_each_hint_once() -> None:
    verdict = Watch(check_of(lag={"critical": 5})).look(at(0, 1, 9, partitions=12))
    lines = table_of(verdict, 3).splitlines()
    assert lines[0].startswith("CRITICAL  group edge-worker: STABLE, 1 members, lag 96, at ")
    assert lines[2].split() == [
        "TOPIC",
        "PARTITION",
        "COMMITTED",
        "END",
        "LAG",
        "DELAY",
        "BURROW",
        "SEVERITY",
        "FINDINGS",
    ]
    assert lines[3].split()[:5] == ["gpu-metadata", "0", "1", "9", "8"]
    assert "… and 9 partitions more" in lines
    assert lines[-1] == "… and 9 findings more"
    assert sum(line.startswith("  -> ") for line in lines) == 1


def test_it_runs_where_there_is_no_airflow() -> None:
    code = "import sys; sys.modules['airflow'] = None; from dag_factories.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["kafka-health", GROUP, "--bootstrap", "127.0.0.1:1", "--timeout", "20s", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout)["severity"] == "unknown"
