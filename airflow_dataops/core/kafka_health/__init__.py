# SPDX-License-Identifier: Apache-2.0
"""Health of Kafka consumer groups: what was read -> facts -> verdict. Pure: observation in, decision out."""

from __future__ import annotations

from airflow_dataops.core.kafka_health.burrow import Sample, WindowStatus, evaluate_window, group_status

__all__ = ["Sample", "WindowStatus", "evaluate_window", "group_status"]
