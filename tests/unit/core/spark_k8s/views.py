# SPDX-License-Identifier: Apache-2.0
"""What is seen of a run, as the tests of its diagnosis need it."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.spark_k8s.observation import (
    ContainerView,
    ExecutorView,
)


def died(name: str, **said: Any) -> ExecutorView:
    one = ContainerView(**{"name": "executor", "state": "terminated", "reason": "OOMKilled", "exit_code": 137, **said})
    return ExecutorView(name=name, uid=name, phase="Failed", containers=(one,), lines=("INFO a", "ERROR heap is low"))
