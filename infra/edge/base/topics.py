# SPDX-License-Identifier: Apache-2.0
"""Make the topics of a metadata pipeline: python topics.py TOPICS.json KAFKA.properties. What is there already is left, or set right.

Partitions are never added: that would move keys to others, and an older event could overtake a newer one. The Kafka user needs CREATE,
DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS on these topics.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, admin

from airflow_dataops.clients.metadata.kafka_settings import find_settings

_SECONDS = 60.0
_EXISTS = "TOPIC_ALREADY_EXISTS"


def make(client: Any, wanted: Mapping[str, Any]) -> list[str]:
    """Make topics, or set their configuration right.

    Args:
        client: Of Kafka's administration.
        wanted: Topic -> ``partitions``, ``replication`` and ``config``.

    Returns:
        What was done, one line each.

    Raises:
        KafkaException: The cluster refused, or did not answer.
        SystemExit: A topic has fewer partitions than it should have.
    """
    new = [
        admin.NewTopic(name, one["partitions"], one["replication"], config=one["config"])
        for name, one in wanted.items()
    ]
    done, there = [], []
    for name, answer in client.create_topics(new, operation_timeout=_SECONDS, request_timeout=_SECONDS).items():
        try:
            answer.result()
            done.append(f"{name}: made, {wanted[name]['partitions']} partitions")
        except KafkaException as error:
            if error.args[0].name() != _EXISTS:
                raise
            there.append(name)
    return done + [line for name in there for line in _set_right(client, name, wanted[name])]


def _set_right(client: Any, name: str, wanted: Mapping[str, Any]) -> list[str]:
    count = len(client.list_topics(name, timeout=_SECONDS).topics[name].partitions)
    if count < wanted["partitions"]:
        sys.exit(
            f"{name} has {count} partitions, not {wanted['partitions']}: drain it, stop API and worker, and add them by hand"
        )
    resource = admin.ConfigResource(admin.ResourceType.TOPIC, name)
    found = client.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
    other = {key: value for key, value in wanted["config"].items() if key not in found or found[key].value != value}
    if not other:
        return [f"{name}: as it should be"]
    for key, value in other.items():
        resource.add_incremental_config(
            admin.ConfigEntry(key, value, incremental_operation=admin.AlterConfigOpType.SET)
        )
    client.incremental_alter_configs([resource], request_timeout=_SECONDS)[resource].result()
    return [f"{name}: {key} is {value} now" for key, value in other.items()]


if __name__ == "__main__":
    settings = find_settings(None, sys.argv[2], os.environ)
    topics = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(make(admin.AdminClient(settings.client()), topics)))
