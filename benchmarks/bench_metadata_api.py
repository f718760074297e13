# SPDX-License-Identifier: Apache-2.0
"""Requests of 100 events: the metadata API against a bare FastAPI echo of the same body, and against a bare producer of the same events.

All in the same run, in turn, on a real Kafka. Reach: half the requests of the echo. The echo is FastAPI as one writes it first
(``def echo(body: Any = Body()): return body``); one whose return type lets it skip the conversion is shown beside it.
``--smoke`` does one short round.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.services import kafka_server  # noqa: E402
from tests.services.kafka_topics import create_topic  # noqa: E402
from tests.services.metadata_api import metadata_api  # noqa: E402

EVENTS, SENDERS = 100, 4
ECHO = """
import sys, typing
import uvicorn
from fastapi import Body, FastAPI
from airflow_dataops.services.metadata_api.logs import log_as_json
import logging

app = FastAPI(on_startup=[lambda: logging.getLogger("echo").info("listening")])

@app.post("/echo")
async def echo(body: typing.Any = Body()):
    return body

@app.post("/typed")
async def typed(body: list[dict[str, typing.Any]] = Body()) -> typing.Any:
    return body

log_as_json()
uvicorn.run(app, port=int(sys.argv[sys.argv.index("--port") + 1]), log_config=None, access_log=False)
"""


def event(number: int) -> dict[str, object]:
    return {
        "schema_version": "v1",
        "source": {
            "notebook": "defects.ipynb",
            "accelerator": {"kind": "gpu", "name": "NVIDIA A10G"},
            "model": {"name": "resnet50", "version": "2"},
        },
        "object": {
            "uri": f"s3://raw/line-1/{number:08d}.png", "checksum": f"sha256:{number:064x}",
            "size": 12_345 + number, "media_type": "image/png",
        },
        "extracted": {
            "images": [
                {
                    "width": 640, "height": 480, "channels": 3, "format": "png",
                    "labels": [{"name": "scratch", "score": 0.75}, {"name": "dent", "score": 0.125}],
                }
            ],
            "metrics": [{"name": "seconds", "value": 0.25, "unit": "s"}, {"name": "mean", "value": 117.3}],
            "attributes": {"line": 1, "shift": "late"},
        },
        "extracted_at": "2026-01-31T12:00:00.000Z",
    }  # fmt: skip


def rate(port: int, path: str, body: bytes, requests: int) -> float:
    """Return requests a second, from several connections that stay open."""

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(requests // SENDERS):
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 300:
                raise SystemExit(f"{path} answered {answer.status}")
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return requests / (time.perf_counter() - start)


def producer_rate(cluster: kafka_server.Kafka, topic: str, batches: int) -> float:
    """Return batches a second of a bare producer: events that are canonical already, acknowledged by all, a batch at a time."""
    from confluent_kafka import Producer

    producer = Producer(cluster.client(acks="all", enable_idempotence=True, compression_type="lz4", linger_ms=5))
    values = [(str(number).encode(), json.dumps(event(number)).encode()) for number in range(EVENTS)]
    start = time.perf_counter()
    for _ in range(batches):
        for key, value in values:
            producer.produce(topic, value, key)
        producer.poll(0)
    producer.flush()
    return batches / (time.perf_counter() - start)


def main() -> None:
    smoke = "--smoke" in sys.argv[1:]
    requests, rounds = (20, 1) if smoke else (400, 5)
    if kafka_server.missing():
        print(f"skipped: {kafka_server.missing()}")
        return
    body = json.dumps([event(number) for number in range(EVENTS)]).encode()
    print(f"{EVENTS} events, {len(body)} bytes a request, {SENDERS} connections")
    with tempfile.TemporaryDirectory() as name, kafka_server.kafka(Path(name) / "kafka") as cluster:
        create_topic(cluster, "events", partitions=4)
        echo = metadata_api(Path(name), cluster.bootstrap(), topic="events", command=("-c", ECHO))
        with metadata_api(Path(name), cluster.bootstrap(), topic="events") as api, echo as bare:
            sides: dict[str, Callable[[], float]] = {
                "API": lambda: rate(api.port, "/v1/metadata", body, requests),
                "bare echo": lambda: rate(bare.port, "/echo", body, requests),
                "bare echo, typed": lambda: rate(bare.port, "/typed", body, requests),
                "bare producer": lambda: producer_rate(cluster, "events", requests),
            }
            seen: dict[str, list[float]] = {side: [] for side in sides}
            for number in range(rounds + 1):
                for side, measure in sides.items():
                    found = measure()
                    if number or smoke:  # the first one warms
                        seen[side].append(found)
    ours = seen["API"]
    for side, found in seen.items():
        each = [a / b for a, b in zip(ours, found, strict=True)]
        middle = statistics.median(found)
        reach = " (reach: 0.5)" if side == "bare echo" else ""
        print(
            f"  {side:18} {middle:8.1f} requests/s {middle * EVENTS:10.0f} events/s, API's ratio {statistics.median(each):.2f}{reach}"
        )


if __name__ == "__main__":
    main()
