# SPDX-License-Identifier: Apache-2.0
"""The whole way of events: producers, API, broker, worker, store and archive, all real; worker, broker and store die on the way."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from airflow_dataops.clients.metadata.client import Batching, MetadataClient
from airflow_dataops.core.metadata.faults import EventRefused
from airflow_dataops.core.metadata.wire import take
from tests.integration.metadata.chaos import end, world
from tests.integration.metadata.worlds import World, deliveries, moments
from tests.services.metadata_api import Api, metadata_api
from tests.services.s3_servers import S3Server

SENDERS = 2


def whole_way(
    folder: Path, s3: S3Server, count: int, *, kills: int, brokers: int = 1, stores: int = 1, seed: int, batch: int
) -> dict[str, float]:
    """Post events in batches of a hundred while a worker and its servers die, and compare all of it; returns counts and rates.

    Args:
        folder: For data and logs.
        s3: Archive.
        count: Deliveries: half as many keys, out of order, some sent again.
        kills: How often the worker is killed.
        brokers: How often the broker is restarted.
        stores: How often the store is.
        seed: Of all that is drawn.
        batch: Records of a worker's cycle.
    """
    begin = time.monotonic()
    with world(folder, s3) as own, metadata_api(folder, own.kafka.bootstrap(), topic=own.topic) as api:
        with ThreadPoolExecutor(SENDERS) as pool:
            sending = [pool.submit(send, api, count, seed, share) for share in range(SENDERS)]
            sent_at: list[float] = []
            threading.Thread(target=lambda: sent_at.append(_done(sending)), daemon=True).start()
            worker = own.worker("--records", str(batch))
            draw = random.Random(seed)
            for at, what in moments(count, kills, brokers, stores, seed):
                own.wait_for(lambda at=at: own.committed() >= at, worker)  # type: ignore[misc]
                time.sleep(draw.random() * 0.5)  # anywhere in a cycle
                if what == "kill":
                    end(worker, signal.SIGKILL)
                    worker = own.worker("--records", str(batch))
                elif what == "broker":
                    own.kafka.stop(1)
                    own.kafka.start(1)
                    own.kafka.wait()
                else:
                    own.mongo.stop()
                    own.wait_for(lambda now=worker: "MONGO_" in now.output.read_text(), worker)  # type: ignore[misc]
                    own.mongo.start()
            accepted = set[bytes]().union(*(one.result() for one in sending))
        total = sum(seen.end for seen in own.log().offsets().values())
        own.wait_for(lambda: own.committed() >= total, worker)
        seconds = time.monotonic() - begin
        end(worker, signal.SIGTERM)
        assert worker.poll() == 0, worker.output.read_text()[-3000:]
        api.process.signal(signal.SIGTERM)
        assert api.process.wait(60) == 0
        found = own.check()
        missing = accepted - in_topic(own)
        assert not missing, f"{len(missing)} events got a 202 and are not in the topic"
    rates = {"posted_per_second": count / (sent_at[0] - begin), "stored_per_second": total / seconds}
    return {**found, "accepted": len(accepted), "seconds": seconds, **rates}


def send(api: Api, count: int, seed: int, share: int) -> set[bytes]:
    """Post every delivery of a share, and return the hashes of what was accepted; what is no event no client lets pass."""
    accepted = set[bytes]()
    with MetadataClient(api.url, batching=Batching(events=100), give_up=900) as client:
        for number, (_, value) in enumerate(deliveries(count, seed)):
            if number % SENDERS != share:
                continue
            try:
                document = json.loads(value or b"null")
                wire = take(document, now=datetime.now(UTC)).wire
            except (EventRefused, ValueError):
                continue
            client.send(document)
            accepted.add(hashlib.sha256(wire).digest())
    return accepted


def in_topic(own: World) -> set[bytes]:
    """Return the hashes of all values in the topic."""
    log = own.log()
    return {
        hashlib.sha256(record.value or b"").digest()
        for partition, seen in log.offsets().items()
        for record in log.read(partition, 0, seen.end)
    }


def _done(sending: list[Future[set[bytes]]]) -> float:
    for one in sending:
        one.exception()
    return time.monotonic()
