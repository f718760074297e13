# SPDX-License-Identifier: Apache-2.0
"""A real broker for the tests of this folder, and a topic of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.services import kafka_server
from tests.services.fixtures import gcs, seaweedfs
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import create_topic
from tests.services.mongo_server import MongoServer, mongo_server

__all__ = ["gcs", "seaweedfs"]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A cluster of one broker that stays up; who stops one starts one of its own."""
    pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[metadata]'")
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server that speaks Mongo's protocol and stays up; who stops one starts one of its own."""
    pytest.importorskip("pymongo", reason="needs pymongo: pip install 'airflow-dataops[mongo]'")
    with mongo_server(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture
def topic(broker: Kafka) -> str:
    """A new topic of two partitions."""
    name = f"events-{uuid.uuid4().hex[:12]}"
    create_topic(broker, name, partitions=2)
    return name
