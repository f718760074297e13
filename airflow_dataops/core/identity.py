# SPDX-License-Identifier: Apache-2.0
"""Which run of which task of which Airflow: what the names of all that is made outside are made of."""

from __future__ import annotations

import base64
import hashlib
import json

from airflow_dataops.core.model import Model


class RunIdentity(Model):
    """Which run of which task of which Airflow.

    Attributes:
        instance: Name of the Airflow installation; two of them in one project or namespace must differ.
        dag_id: DAG.
        task_id: Task, or the task group that shares a cluster.
        run_id: Run.
        map_index: Index of a mapped task, else -1.
    """

    instance: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1


def run_hash(identity: RunIdentity) -> str:
    """Return the run's full hash: 52 of a-z and 2-7."""
    parts = [identity.instance, identity.dag_id, identity.task_id, identity.run_id, identity.map_index]
    return text_hash(json.dumps(parts, ensure_ascii=False))


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text as 52 of a-z and 2-7, which every name and label may hold."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=").lower()
