# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")
pytest.importorskip("httpx")

from airflow_dataops.core.errors import DataOpsError, InputError, StorageDenied, TransientError
from airflow_dataops.services.metadata_api.settings import ApiSettings
from tests.unit.core.metadata.events import event
from tests.unit.core.metadata.second_version import BOTH, new_event
from tests.unit.services.metadata_api.fakes import Publisher, api

JSON = {"content-type": "application/json"}
AWAY = TransientError("no broker", code="KAFKA_UNREACHABLE")


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def client(publisher: Publisher) -> Iterator[Any]:
    with api(publisher) as made:
        yield made


def test_an_event_is_published_normalised_under_its_key(client: Any, publisher: Publisher) -> None:
    answer = client.post("/v1/metadata", json=event(idempotency_key="k-1", object__media_type="Image/PNG"))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "keys": ["k-1"]})
    (record,) = publisher.sent
    assert (record.topic, record.key) == ("gpu-metadata", b"k-1")
    assert dict(record.headers) == {"content-type": b"application/json", "schema-version": b"v1"}
    assert json.loads(record.value or b"")["object"]["media_type"] == "image/png"


def test_a_list_is_published_in_its_order(client: Any, publisher: Publisher) -> None:
    keys = [f"k-{number}" for number in range(100)]
    answer = client.post("/metadata", json=[event(idempotency_key=key, schema_version=None) for key in keys])
    assert (answer.status_code, answer.json()["keys"]) == (202, keys)
    assert [(one.key or b"").decode() for one in publisher.sent] == keys


def test_one_bad_event_keeps_the_whole_list_back_and_all_faults_are_told(client: Any, publisher: Publisher) -> None:
    bad = [
        event(),
        event(object__size="3"),
        event(extracted__metrics=[{"name": "m", "value": 1}] * 2),
        event(source=None),
    ]
    answer = client.post("/v1/metadata", json=bad)
    told = answer.json()
    assert (answer.status_code, told["code"], publisher.sent) == (422, "EVENTS_REFUSED", [])
    assert [(one["index"], one["path"]) for one in told["faults"]] == [
        (1, "object.size"), (2, "extracted.metrics"), (3, "source"),
    ]  # fmt: skip
    assert told["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 422, "EMPTY"), (b"{", 422, "NOT_JSON"), (b"[]", 422, "EMPTY"), (b"3", 422, "INVALID"), (b"[3]", 422, "INVALID"),
        (b"\xff", 422, "NOT_UTF8"), (b'{"a":1,"a":2}', 422, "DUPLICATE_NAME"), (b"[" * 100_000, 422, "TOO_DEEP"),
        (b'[{"a":' + b"[" * 50 + b"]" * 50 + b"}]", 422, "TOO_DEEP"), (b"[" + b"1," * 1000 + b"1]", 413, "TOO_LARGE"),
        (b'{"schema_version":"v9"}', 422, "UNKNOWN_VERSION"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused_with_a_reason(
    client: Any, publisher: Publisher, body: bytes, status: int, reason: str
) -> None:
    answer = client.post("/v1/metadata", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["faults"][0]["reason"], publisher.sent) == (status, reason, [])


def test_a_body_is_bounded_with_and_without_a_length(publisher: Publisher) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1000
            yield b" " * 1000

    with api(publisher, body=10_000) as client:
        known = client.post("/v1/metadata", content=b" " * 10_001, headers=JSON)
        unknown = client.post("/v1/metadata", content=endless(), headers=JSON)
        assert client.service.admission.size == client.service.admission.requests == 0
    assert [(one.status_code, one.json()["code"]) for one in (known, unknown)] == [(413, "BODY_TOO_LARGE")] * 2


def test_a_compressed_body_is_unfolded_and_bounded(publisher: Publisher) -> None:
    with api(publisher, body=100_000) as client:

        def post(content: bytes) -> tuple[int, str]:
            answer = client.post("/v1/metadata", content=content, headers={**JSON, "content-encoding": "gzip"})
            return answer.status_code, answer.json().get("code", "")

        good = gzip.compress(json.dumps(event()).encode())
        assert post(good) == (202, "")
        assert post(gzip.compress(b" " * 50_000_000)) == (413, "BODY_TOO_LARGE")
        assert post(good[:-9]) == (422, "BAD_GZIP")
        assert post(good + b"more") == (422, "BAD_GZIP")
        assert post(b"{}") == (422, "BAD_GZIP")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {**JSON, "content-encoding": "br"},
    ],
)
def test_another_type_is_refused(client: Any, headers: dict[str, str]) -> None:
    assert client.post("/v1/metadata", content=b"{}", headers=headers).status_code == 415


def test_where_kafka_is_away_it_says_when_to_come_back_and_asks_nobody_twice(publisher: Publisher) -> None:
    with api(publisher) as client:
        publisher.error = AWAY
        answers = [client.post("/v1/metadata", json=event()) for _ in range(3)]
        assert [(one.status_code, one.headers["retry-after"]) for one in answers] == [(503, "2")] * 3
        assert client.get("/readyz").json() == {"ready": False, "code": "KAFKA_UNREACHABLE"}
        publisher.error = None
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/metadata", json=event()).status_code == 202
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TransientError("full", code="KAFKA_BUFFER_FULL"), 429), (InputError("large", code="KAFKA_RECORD_TOO_LARGE"), 413),
        (StorageDenied("no", code="KAFKA_DENIED"), 503), (InputError("none", code="KAFKA_NO_TOPIC"), 503),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [True, False])
def test_each_failure_of_the_publisher_has_its_status(
    publisher: Publisher, error: DataOpsError, status: int, at_once: bool
) -> None:
    with api(publisher) as client:
        publisher.raises, publisher.error = (error, None) if at_once else (None, error)
        answer = client.post("/v1/metadata", json=[event()] * 3)
        assert answer.status_code == status
        assert ("retry-after" in answer.headers) is (status != 413)
        publisher.raises = publisher.error = None
        if status == 413 or status == 429:  # what is wrong with one says nothing of others
            assert client.post("/v1/metadata", json=event()).status_code == 202


@pytest.mark.parametrize(("limits", "second"), [({"requests": 1}, 429), ({"size": 1000}, 429), ({}, 202)])
def test_no_more_is_held_than_may_be(publisher: Publisher, limits: dict[str, int], second: int) -> None:
    publisher.held = True
    with api(publisher, **limits) as client:
        first: list[Any] = []
        thread = threading.Thread(target=lambda: first.append(client.post("/v1/metadata", json=event())))
        thread.start()
        while not publisher.waiting:
            assert thread.is_alive()
        assert "in_flight_bytes 0.0" not in client.get("/metrics").text
        if second == 202:
            publisher.release()
        answer = client.post("/v1/metadata", json=event())
        publisher.release()
        thread.join()
        assert (answer.status_code, first[0].status_code) == (second, 202)
        if second == 429:
            assert int(answer.headers["retry-after"]) > 0
        assert client.post("/v1/metadata", json=event()).status_code == 202


def test_an_acknowledgement_that_does_not_come_is_503(publisher: Publisher) -> None:
    publisher.held = True
    with api(publisher, publish_seconds=-4.9) as client:
        answer = client.post("/v1/metadata", json=event())
        assert answer.status_code == 503
        assert client.service.admission.requests == 0
        publisher.release()


def test_tokens_let_in_and_several_are_valid_at_a_time(publisher: Publisher) -> None:
    old, new = "old-token-0123456789", "new-token-0123456789"
    with api(publisher, tokens=f"{old},{new}") as client:

        def post(authorization: str | None) -> int:
            headers = {} if authorization is None else {"authorization": authorization}
            return int(client.post("/v1/metadata", json=event(), headers=headers).status_code)

        assert [post(f"Bearer {old}"), post(f"bearer {new}")] == [202, 202]
        assert [post(None), post(f"Basic {old}"), post("Bearer wrong"), post("Bearer "), post(f"Bearer {old}x")] == [
            401
        ] * 5
        refused = client.post("/v1/metadata", json=event())
        assert refused.headers["www-authenticate"] == "Bearer"
        assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3


def test_without_a_certificate_that_is_needed_nobody_comes_in(publisher: Publisher) -> None:
    with api(publisher, settings=ApiSettings(needs_certificate=True)) as client:
        assert client.post("/v1/metadata", json=event()).status_code == 401


def test_counts_and_durations_are_told(client: Any) -> None:
    client.post("/v1/metadata", json=[event(), event()])
    client.post("/v1/metadata", json=[event(), 3])
    text = client.get("/metrics").text
    for line in (
        'dataops_metadata_api_requests_total{code="202"} 1.0', 'dataops_metadata_api_requests_total{code="422"} 1.0',
        'dataops_metadata_api_events_total{outcome="accepted"} 2.0', 'dataops_metadata_api_events_total{outcome="refused"} 1.0',
        'dataops_metadata_api_events_total{outcome="failed"} 0.0', "dataops_metadata_api_publish_seconds_count 1.0",
        "dataops_metadata_api_in_flight_bytes 0.0",
    ):  # fmt: skip
        assert line in text


def test_the_log_has_the_request_and_neither_body_nor_token(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_dataops.services.metadata_api.logs import JsonLines

    token = "secret-token-0123456789"
    with caplog.at_level(logging.DEBUG, "airflow_dataops"), api(publisher, tokens=token) as client:
        headers = {"authorization": f"Bearer {token}", "x-request-id": "mine-1"}
        client.post("/v1/metadata", json=event(source__notebook="private.ipynb"), headers=headers)
        client.post("/v1/metadata", json=event(object__size="private"), headers={**headers, "x-request-id": "bad id"})
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    told = [line for line in lines if line["message"] == "request"]
    assert (
        told[0].items()
        >= {"request_id": "mine-1", "status": 202, "events": 1, "path": "/v1/metadata", "level": "info"}.items()
    )
    assert told[1].items() >= {"status": 422, "code": "EVENTS_REFUSED"}.items()
    assert told[1]["request_id"] != "bad id"
    assert not {word for word in (token, "private") if word in json.dumps(lines)}


def test_a_fault_of_ours_is_a_500_with_its_id_and_no_more(publisher: Publisher) -> None:
    with api(publisher, clock=lambda: 1 / 0) as client:  # type: ignore[arg-type, return-value]
        answer = client.post("/v1/metadata", json=event())
    assert (answer.status_code, answer.json()["code"]) == (500, "UNEXPECTED")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "division" not in answer.text


def test_at_the_end_the_publisher_is_closed(publisher: Publisher) -> None:
    with api(publisher) as client:
        assert not publisher.closed
        client.service.health.stopping = True
        assert client.get("/readyz").json() == {"ready": False, "code": "STOPPING"}
    assert publisher.closed


def test_a_large_body_is_read_beside_the_event_loop(publisher: Publisher) -> None:
    with api(publisher, inline=10) as client:
        assert client.post("/v1/metadata", json=[event()] * 50).status_code == 202
        assert client.post("/v1/metadata", json=[event(), 1]).status_code == 422


def test_an_old_producer_posts_on_when_a_second_version_comes() -> None:
    old = event(schema_version=None)
    today, later = Publisher(), Publisher()
    with api(today) as client:
        before = [client.post(path, json=old).json() for path in ("/metadata", "/v1/metadata")]
        assert client.post("/v2/metadata", json=new_event()).status_code == 404
        refused = client.post("/metadata", json=new_event()).json()
        assert [fault["reason"] for fault in refused["faults"]] == ["NEWER_VERSION"]
    with api(later, versions=BOTH) as client:
        assert [client.post(path, json=old).json() for path in ("/metadata", "/v1/metadata")] == before
        assert later.sent == today.sent  # byte for byte
        assert [
            client.post(path, json=new_event()).status_code for path in ("/v2/metadata", "/metadata", "/v1/metadata")
        ] == [202, 202, 422]
        paths = client.get("/openapi.json").json()["paths"]
        assert {"/v1/metadata", "/v2/metadata", "/metadata"} <= set(paths)
