# SPDX-License-Identifier: Apache-2.0
"""Asks Kafka how consumer groups do, from a process of its own: see :mod:`~airflow_dataops.clients.kafka_health.probe`."""
