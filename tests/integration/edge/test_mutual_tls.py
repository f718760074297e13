# SPDX-License-Identifier: Apache-2.0
"""All of infra/edge but Kubernetes: the script's certificates, the rights, the topics, API and worker, and ``dataops preflight`` over them."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services import kafka_server
from tests.services.edge_tools import EDGE, ROOT
from tests.services.kafka_hand import Hand
from tests.services.kafka_server import Kafka
from tests.services.metadata_api import Api, metadata_api
from tests.services.mongo_server import mongo_server
from tests.services.ports import free_port
from tests.services.processes import Keeper, Process
from tests.unit.core.metadata.events import event

pytest.importorskip("fastapi", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")
RIGHTS = json.loads((EDGE / "kafka_rights.json").read_text(encoding="utf-8"))
PIPELINE = """
version: 1
kind: gpu_metadata
name: edge
schedule: null
archive: "{archive}"
"""
PROJECT = """
version: 1
default_target: edge
targets:
  edge:
    lake: "{lake}"
    metadata:
      kafka_conn_id: kafka_edge
      mongo_uri: "${{env:MONGO_URI}}"
      api: {api}
      api_token: "${{env:API_TOKEN}}"
      api_ca: {ca}/ca.crt
      api_cert: {ca}/clients/airflow/both.pem
"""


@dataclass
class Platform:
    """What runs."""

    ca: Path
    broker: Kafka
    api: Api
    token: str
    probes: str
    worker: Process
    environment: dict[str, str]
    project: Path

    def context(self, client: str | None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.ca / "ca.crt"))
        if client is not None:
            made.load_cert_chain(str(self.ca / "clients" / client / "both.pem"))
        return made

    def post(self, client: str | None, token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.api.ask("POST", "/v1/metadata", event(), headers, context=self.context(client))[0]

    def preflight(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dag_factories", "preflight", "edge.yaml", "--target", "edge", *words]
        return run(command, {**self.environment, **environment}, self.project)


def run(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False, timeout=300)


def properties(ca: Path, program: str) -> Path:
    """Return the file of a Secret, with its paths in the Secret's folder and not in a pod's."""
    folder = ca / f"metadata-{program}-kafka"
    made = folder / "here.properties"
    text = (folder / "kafka.properties").read_text(encoding="utf-8")
    made.write_text(text.replace("/etc/metadata/kafka", str(folder)), encoding="utf-8")
    return made


def make_topics(ca: Path, broker: Kafka, folder: Path, **config: str) -> subprocess.CompletedProcess[str]:
    """Run the Job's program, for a cluster of one broker."""
    wanted = json.loads((EDGE / "base/topics.json").read_text(encoding="utf-8"))
    for one in wanted.values():
        one |= {"partitions": 3, "replication": 1, "config": {**one["config"], "min.insync.replicas": "1", **config}}
    (folder / "topics.json").write_text(json.dumps(wanted), encoding="utf-8")
    command = [sys.executable, str(EDGE / "base/topics.py"), str(folder / "topics.json"), str(properties(ca, "topics"))]
    return run(command, {"DATAOPS_KAFKA_BOOTSTRAP": broker.bootstrap("SSL")}, folder)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "ca"
    subprocess.run([EDGE / "make_test_ca.sh", folder, "127.0.0.1,localhost", "127.0.0.1"], check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def broker(ca: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that asks for certificates, and in which each program has its rights and no other."""
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    lines = (ca / "kafka/server.properties").read_text(encoding="utf-8").splitlines()
    props = {
        **dict(line.split("=", 1) for line in lines),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka"), props=props, listeners=("PLAINTEXT", "SSL")) as made:
        Hand(made).allow(RIGHTS)
        yield made


@pytest.fixture(scope="module")
def platform(ca: Path, broker: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("edge")
    done = make_topics(ca, broker, folder)
    assert done.returncode == 0, done.stderr
    with ExitStack() as stack:
        mongo = stack.enter_context(mongo_server(folder / "mongo"))
        keeper = Keeper()
        stack.callback(keeper.close)
        ports = free_port(), free_port()
        tls = ca / "metadata-api-tls"
        words = [
            f"--config={properties(ca, 'api')}", f"--token-file={ca / 'metadata-api-tokens/tokens'}",
            f"--tls-cert={tls / 'tls.crt'}", f"--tls-key={tls / 'tls.key'}", f"--client-ca={tls / 'ca.crt'}",
            "--subject=notebooks", "--subject=airflow", f"--listen=127.0.0.1:{ports[0]}",
        ]  # fmt: skip
        context = ssl.create_default_context(cafile=str(ca / "ca.crt"))
        api = stack.enter_context(
            metadata_api(folder, broker.bootstrap("SSL"), *words, topic="gpu-metadata", context=context)
        )
        worker = keeper.start(
            [
                sys.executable, "-m", "dag_factories", "run-worker", f"--bootstrap={broker.bootstrap('SSL')}",
                f"--config={properties(ca, 'worker')}", "--group=edge-worker", "--database=metadata", f"--archive={folder / 'archive'}",
                f"--listen=127.0.0.1:{ports[1]}",
            ],
            output=folder / "worker.log",
            env={**os.environ, "PYTHONPATH": str(ROOT), "DATAOPS_MONGO_URI": mongo.uri},
        )  # fmt: skip
        token = (ca / "metadata-api-tokens/tokens").read_text(encoding="utf-8").strip()
        (folder / "dataops.yaml").write_text(PROJECT.format(lake=folder / "lake", api=api.url, ca=ca), encoding="utf-8")
        (folder / "edge.yaml").write_text(PIPELINE.format(archive=folder / "archive"), encoding="utf-8")
        extra = {
            "bootstrap.servers": broker.bootstrap("SSL"), "security.protocol": "SSL", "ssl.ca.location": str(ca / "ca.crt"),
            "ssl.certificate.location": str(ca / "clients/airflow/tls.crt"), "ssl.key.location": str(ca / "clients/airflow/tls.key"),
        }  # fmt: skip
        connection = json.dumps({"conn_type": "kafka", "extra": json.dumps(extra)})
        environment = {"AIRFLOW_CONN_KAFKA_EDGE": connection, "MONGO_URI": mongo.uri, "API_TOKEN": token}
        yield Platform(ca, broker, api, token, f"http://127.0.0.1:{ports[0]}", worker, environment, folder)


def test_who_posts_shows_a_certificate_of_the_authority_and_a_token(platform: Platform) -> None:
    assert [platform.post(client, platform.token) for client in ("notebooks", "airflow")] == [202, 202]
    assert platform.post("notebooks", None) == 401
    with pytest.raises(OSError):  # noqa: PT011  # TLS ends it, by an alert or by hanging up
        platform.post(None, platform.token)


def test_probes_and_metrics_are_served_to_those_without_a_certificate(platform: Platform) -> None:
    answers = {
        path: urllib.request.urlopen(platform.probes + path, timeout=30) for path in ("/healthz", "/readyz", "/metrics")
    }
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert b"dataops_metadata_api_requests_total" in answers["/metrics"].read()
    with pytest.raises(OSError, match="404"):
        urllib.request.urlopen(platform.probes + "/v1/metadata", timeout=30)


def test_a_marked_event_comes_all_the_way_and_is_removed(platform: Platform) -> None:
    done = platform.preflight("--round-trip", "--json")
    assert done.returncode == 0, done.stdout + done.stderr + platform.worker.output.read_text()[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert [one["check"] for one in found] == [
        "topic",
        "retention",
        "dead letters",
        "store",
        "archive",
        "API",
        "round trip",
    ]
    assert {one["level"] for one in found} == {"ok"}
    assert "arrived in the store and the archive, and was removed" in found[-1]["message"]


def test_what_is_missing_is_told_and_no_event_is_posted_then(platform: Platform) -> None:
    done = platform.preflight("--round-trip", MONGO_URI="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "problem  store: MONGO_UNREACHABLE" in done.stdout
    assert "round trip" not in done.stdout


def test_topics_are_made_once_and_set_right(platform: Platform, tmp_path: Path) -> None:
    again = make_topics(platform.ca, platform.broker, tmp_path)
    assert again.stdout.splitlines() == [f"{name}: as it should be" for name in ("gpu-metadata", "gpu-metadata.dead")]
    other = make_topics(platform.ca, platform.broker, tmp_path, **{"retention.ms": "86400001"})
    assert other.stdout.splitlines() == [
        f"{name}: retention.ms is 86400001 now" for name in ("gpu-metadata", "gpu-metadata.dead")
    ]
    end = time.monotonic() + 60  # the broker hears of it by the controller
    while (
        make_topics(platform.ca, platform.broker, tmp_path, **{"retention.ms": "86400001"}).stdout.count(
            "as it should be"
        )
        < 2
    ):
        assert time.monotonic() < end


def test_a_topic_with_fewer_partitions_is_left_to_a_person(platform: Platform, tmp_path: Path) -> None:
    assert make_topics(platform.ca, platform.broker, tmp_path).returncode == 0
    topics = tmp_path / "topics.json"
    topics.write_text(
        topics.read_text(encoding="utf-8").replace('"partitions": 3', '"partitions": 4'), encoding="utf-8"
    )
    command = [sys.executable, str(EDGE / "base/topics.py"), str(topics), str(properties(platform.ca, "topics"))]
    done = run(command, {"DATAOPS_KAFKA_BOOTSTRAP": platform.broker.bootstrap("SSL")}, tmp_path)
    assert done.returncode == 1
    assert "gpu-metadata has 3 partitions, not 4" in done.stderr
