# SPDX-License-Identifier: Apache-2.0
"""A real API server, and a real broker, for what infra/edge brings to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services import kafka_server
from tests.services.kafka_server import Kafka
from tests.services.kube.fixtures import kube

__all__ = ["kube"]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A cluster of one broker."""
    pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[metadata]'")
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster
