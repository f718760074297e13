# SPDX-License-Identifier: Apache-2.0
"""An airflow dag that runs whenever a Kafka consumer group becomes better or worse.

On Airflow 3 the triggerer watches the group, and no task runs before something changes. On Airflow 2 the asset hears of the check of
kafka_health.py, which has the same asset.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG, Asset
from airflow.providers.standard.operators.bash import BashOperator

from airflow_dataops.triggers.kafka_health import KafkaConsumerHealthEventTrigger

CHECK = {"group": "edge-worker", "topics": ["gpu-metadata"], "lag": {"critical": 100_000}, "interval": "1m"}

try:
    from airflow.sdk import AssetWatcher
except ImportError:
    HEALTH = Asset("kafka://prod/groups/edge-worker")
else:
    watcher = AssetWatcher(name="edge_worker_health", trigger=KafkaConsumerHealthEventTrigger(CHECK))
    HEALTH = Asset("kafka://prod/watched/edge-worker", watchers=[watcher])

with DAG(
    "kafka_health_watcher",
    schedule=[HEALTH],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example"],
):
    BashOperator(task_id="tell", bash_command="echo 'the group edge-worker has changed'")
