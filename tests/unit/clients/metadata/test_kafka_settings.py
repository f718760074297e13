# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.clients.metadata.kafka_settings import BOOTSTRAP, CONFIG, KafkaSettings, find_settings
from airflow_dataops.core.errors import SpecError

FILE = "# ours\n\nbootstrap.servers = file:1\nsasl.password=a=b#c\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "kafka.properties"
    path.write_text(FILE)
    return str(path)


def test_an_argument_comes_before_the_file_and_the_file_before_the_environment(file: str) -> None:
    assert find_settings("arg:1", file, {BOOTSTRAP: "env:1"}).bootstrap == "arg:1"
    assert find_settings(None, file, {BOOTSTRAP: "env:1"}).bootstrap == "file:1"
    assert find_settings(None, None, {BOOTSTRAP: "env:1", CONFIG: file}).bootstrap == "file:1"
    assert find_settings(None, None, {BOOTSTRAP: "env:1"}).bootstrap == "env:1"


def test_a_value_may_hold_what_separates(file: str) -> None:
    found = find_settings(None, file, {})
    assert found.properties == {"sasl.password": "a=b#c"}
    assert "a=b" not in repr(found)


def test_what_a_client_sets_stands_over_the_file() -> None:
    settings = KafkaSettings("h:1", {"acks": "1", "client.id": "x"})
    assert settings.client(acks="all") == {"log_level": 0, "bootstrap.servers": "h:1", "acks": "all", "client.id": "x"}


def test_no_address_says_what_to_type() -> None:
    with pytest.raises(SpecError, match="--bootstrap"):
        find_settings(None, None, {})


@pytest.mark.parametrize("content", [b"sasl.password secret", b"\xff\xfe"])
def test_a_file_that_is_none_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kafka.properties"
    path.write_bytes(content)
    with pytest.raises(SpecError) as refused:
        find_settings("h:1", str(path), {})
    assert "secret" not in str(refused.value)
    assert refused.value.code == "KAFKA_SETTINGS"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.properties cannot be read"):
        find_settings(None, str(tmp_path / "gone.properties"), {})
