# SPDX-License-Identifier: Apache-2.0
"""What a topic's configuration says, for a preflight."""

from __future__ import annotations

from typing import Any

from airflow_dataops.clients.metadata.kafka_errors import KafkaAway, error_of
from airflow_dataops.clients.metadata.kafka_reading import Hearing
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings, confluent

_HOUR = 3_600_000


def retention_hours(settings: KafkaSettings, topic: str, seconds: float) -> float | None:
    """Return for how long a topic keeps its records.

    Args:
        settings: The cluster.
        topic: The topic.
        seconds: Longest wait.

    Returns:
        Hours; None for ever.

    Raises:
        DataOpsError: There is no such topic, no broker answers, or the account may not look (``KAFKA_DENIED``).
    """
    kafka = confluent()
    from confluent_kafka import admin as kafka_admin

    api: Any = kafka_admin  # its stubs leave out half of it

    wait = int(seconds * 1000)
    heard = Hearing()
    admin = api.AdminClient({**settings.client(socket_timeout_ms=wait), "error_cb": heard})
    resource = api.ConfigResource(api.ResourceType.TOPIC, topic)
    try:
        found = admin.describe_configs([resource], request_timeout=seconds)[resource].result(seconds + 1)
    except kafka.KafkaException as error:
        raise error_of(error.args[0], f"topic {topic}", heard.cause) from error
    except TimeoutError:
        raise KafkaAway(f"topic {topic}: no answer") from None
    kept = int(found["retention.ms"].value)
    return None if kept < 0 else kept / _HOUR


__all__ = ["retention_hours"]
