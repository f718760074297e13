# SPDX-License-Identifier: Apache-2.0
"""The API as a process, with a real broker: 202 means that it is in the topic, whatever happens to either."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.services import kafka_server
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import create_topic, records
from tests.services.metadata_api import Api, metadata_api
from tests.unit.core.metadata.events import event

pytest.importorskip("fastapi", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")
TOKEN = "a-token-of-the-tests-0123"


def keys_in(cluster: Kafka, topic: str) -> list[str]:
    return [one.key().decode() for one in records(cluster, topic)]


def test_what_was_accepted_is_in_the_topic_and_duplicates_keep_their_key(
    broker: Kafka, topic: str, tmp_path: Path
) -> None:
    with metadata_api(tmp_path, broker.bootstrap(), topic=topic) as api:
        one = api.ask("POST", "/v1/metadata", event(idempotency_key="single"))
        many = [api.ask("POST", "/metadata", [event(idempotency_key=f"k-{n}") for n in range(100)]) for _ in range(2)]
        bad = api.ask("POST", "/v1/metadata", [event(idempotency_key="never"), event(object=None)])
        assert [one[0], *(answer[0] for answer in many), bad[0]] == [202, 202, 202, 422]
        assert api.ask("GET", "/readyz")[0] == 200
        found = records(broker, topic)
    assert sorted(one.key().decode() for one in found) == sorted(["single", *[f"k-{n}" for n in range(100)] * 2])
    places = {(one.key(), one.partition()) for one in found}
    assert len(places) == len({key for key, _ in places})  # all events of a key lie in one partition
    assert len({one.value() for one in found if one.key() == b"k-1"}) == 1


def test_a_stop_under_load_loses_nothing_that_was_accepted(broker: Kafka, topic: str, tmp_path: Path) -> None:
    accepted: list[str] = []
    lock = threading.Lock()

    def post(number: int, api: Api) -> None:
        connection = api.connect()
        for turn in range(10_000):
            keys = [f"{number}-{turn}-{place}" for place in range(20)]
            body = json.dumps([event(idempotency_key=key) for key in keys])
            try:
                connection.request("POST", "/v1/metadata", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except OSError:
                return  # it has stopped: nothing was promised
            if answer.status == 202:
                with lock:
                    accepted.extend(keys)

    with metadata_api(tmp_path, broker.bootstrap(), topic=topic) as api:
        threads = [threading.Thread(target=post, args=(number, api)) for number in range(4)]
        for thread in threads:
            thread.start()
        while len(accepted) < 400:
            assert any(thread.is_alive() for thread in threads)
            time.sleep(0.01)
        api.process.signal(signal.SIGTERM)
        assert api.process.wait(120) == 0, api.process.output.read_text()[-3000:]
        for thread in threads:
            thread.join(120)
        assert api.log()[-1]["message"] == "stopped"
    missing = set(accepted) - set(keys_in(broker, topic))
    assert missing == set()


def test_without_a_broker_memory_stays_bounded_and_it_comes_back_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("confluent_kafka")
    if kafka_server.missing():
        pytest.skip(str(kafka_server.missing()))
    with kafka_server.kafka(tmp_path / "kafka") as cluster:
        create_topic(cluster, "events")
        with metadata_api(tmp_path, cluster.bootstrap(), "--publish-seconds", "2", topic="events") as api:
            assert api.ask("POST", "/v1/metadata", event(idempotency_key="before"))[0] == 202
            cluster.stop(1, signal.SIGTERM)
            body = [event(idempotency_key=f"away-{n}") for n in range(200)]
            status, headers, told = api.ask("POST", "/v1/metadata", body)
            assert (status, json.loads(told)["code"]) == (503, "KAFKA_UNREACHABLE")
            assert int(headers["retry-after"]) > 0
            assert api.ask("GET", "/readyz")[0] == 503
            assert api.ask("GET", "/healthz")[0] == 200
            before = memory_of(api)
            assert {api.ask("POST", "/v1/metadata", body)[0] for _ in range(1000)} <= {503, 429}
            assert memory_of(api) - before < 40 << 20  # the bodies were three times that
            cluster.start(1)
            cluster.wait()
            while api.ask("POST", "/v1/metadata", event(idempotency_key="after"))[0] != 202:
                time.sleep(0.1)
            assert b'events_total{outcome="failed"}' in api.ask("GET", "/metrics")[2]
        assert {"before", "after"} <= set(keys_in(cluster, "events"))


def test_a_topic_that_is_not_there_is_told_by_readyz(broker: Kafka, tmp_path: Path) -> None:
    with metadata_api(tmp_path, broker.bootstrap(), topic="no-such-topic") as api:
        status, _, body = api.ask("GET", "/readyz")
        assert (status, json.loads(body)["code"]) == (503, "KAFKA_NO_TOPIC")
        assert api.ask("POST", "/v1/metadata", event())[0] == 503


def test_a_token_is_changed_without_a_restart(broker: Kafka, topic: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# of the notebooks\n{TOKEN}\n")

    def status(api: Api, token: str) -> int:
        return api.ask("POST", "/v1/metadata", event(), {"Authorization": f"Bearer {token}"})[0]

    with metadata_api(tmp_path, broker.bootstrap(), "--token-file", str(file), topic=topic) as api:
        assert [status(api, TOKEN), status(api, "other" * 5), api.ask("POST", "/v1/metadata", event())[0]] == [
            202,
            401,
            401,
        ]
        new = file.with_suffix(".new")
        new.write_text("other" * 5)
        new.replace(file)
        while status(api, "other" * 5) != 202:
            time.sleep(0.1)
        assert status(api, TOKEN) == 401
        assert TOKEN not in api.process.output.read_text()


def memory_of(api: Api) -> int:
    fields = Path(f"/proc/{api.process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def test_its_log_is_lines_of_json(broker: Kafka, topic: str, tmp_path: Path) -> None:
    with metadata_api(tmp_path, broker.bootstrap(), topic=topic) as api:
        _, headers, _ = api.ask("POST", "/v1/metadata", event(source__notebook="private.ipynb"))
        lines: list[dict[str, Any]] = []
        while not lines:
            lines = [line for line in api.log() if line.get("request_id") == headers["x-request-id"]]
    assert lines[0].items() >= {"message": "request", "status": 202, "events": 1, "method": "POST"}.items()
    assert "private" not in api.process.output.read_text()
