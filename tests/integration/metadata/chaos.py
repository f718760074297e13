# SPDX-License-Identifier: Apache-2.0
"""A worker that is killed at random, with its broker and its store: what is left is the model."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.metadata.worlds import World, moments
from tests.services.kafka_server import FAILOVER, kafka, missing
from tests.services.mongo_server import mongo_server
from tests.services.processes import Keeper, Process
from tests.services.s3_servers import S3Server


@contextmanager
def world(folder: Path, s3: S3Server, partitions: int = 4) -> Iterator[World]:
    """A world of its own, since its servers die."""
    if reason := missing():
        pytest.skip(reason)
    keeper = Keeper()
    try:
        with kafka(folder / "kafka", props=FAILOVER) as broker, mongo_server(folder / "mongo") as mongo:
            yield World(broker, mongo, s3, folder, keeper, partitions)
    finally:
        keeper.close()


def survive(
    here: World, count: int, *, kills: int, brokers: int = 1, stores: int = 1, seed: int, batch: int
) -> dict[str, int]:
    """Send records, let a worker bring them while it and its servers die, and compare; returns what was compared."""
    draw = random.Random(seed)
    here.send(count, seed)
    worker = here.worker("--records", str(batch))
    for at, what in moments(count, kills, brokers, stores, seed):
        here.wait_for(lambda at=at: here.committed() >= at, worker)  # type: ignore[misc]
        time.sleep(draw.random() * 0.5)  # anywhere in a cycle
        if what == "kill":
            end(worker, signal.SIGKILL)
            worker = here.worker("--records", str(batch))
        elif what == "broker":
            here.kafka.stop(1)
            here.kafka.start(1)
            here.kafka.wait()
        else:
            here.mongo.stop()
            here.wait_for(lambda now=worker: "MONGO_" in now.output.read_text(), worker)  # type: ignore[misc]
            here.mongo.start()
    here.wait_for(lambda: here.committed() >= count, worker)
    end(worker, signal.SIGTERM)
    assert worker.poll() == 0, worker.output.read_text()[-3000:]
    return here.check()


def end(worker: Process, how: signal.Signals) -> None:
    """Send a signal to a worker and wait for its end."""
    worker.signal(how)
    assert worker.wait(120) is not None
