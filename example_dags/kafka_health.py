# SPDX-License-Identifier: Apache-2.0
"""An airflow dag that looks every five minutes how a Kafka consumer group does, and one that waits for it before it reads on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Asset
from airflow.providers.standard.operators.empty import EmptyOperator

from airflow_dataops.notifications.log import LogNotifier
from airflow_dataops.operators.kafka_health import KafkaConsumerHealthOperator
from airflow_dataops.sensors.kafka_health import KafkaConsumerHealthSensor

GROUP, TOPICS = "edge-worker", ["gpu-metadata"]
HEALTH = Asset("kafka://prod/groups/edge-worker")

with DAG(
    "kafka_health",
    schedule=timedelta(minutes=5),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["example"],
):
    KafkaConsumerHealthOperator(
        task_id="health",
        group=GROUP,
        topics=TOPICS,
        check={
            "lag": {"warning": 10_000, "critical": 100_000},
            "delay": {"warning": "5m", "critical": "30m"},
            "on_unknown": "fail",
        },
        asset=HEALTH,  # hears when the group becomes better or worse
        on_warning=LogNotifier(),
        retries=2,
        retry_delay=timedelta(minutes=1),
    )

with DAG(
    "kafka_health_wait",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example"],
):
    wait = KafkaConsumerHealthSensor(
        task_id="wait",
        group=GROUP,
        topics=TOPICS,
        poke_interval=60,
        timeout=3600,
        deferrable=True,
    )
    wait >> EmptyOperator(task_id="read_on")
