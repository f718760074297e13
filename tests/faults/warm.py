# SPDX-License-Identifier: Apache-2.0
"""Imported by the process that forks tests with mounts of their own: besides the jobs, what pytest and ``dataops run`` import when they need it."""

from __future__ import annotations

import contextlib
import importlib

for _name in (
    "tests.faults.preload", "tests.faults.bad_day", "dag_factories.cli.run", "dag_factories.run", "dag_factories.check", "dag_factories.pipeline",
    "dag_factories.plans.bronze_to_silver", "dag_factories.specs.bronze_to_silver", "airflow_dataops.core.dq_gate.rules.nulls",
    "airflow_dataops.core.dq_gate.rules.numbers", "airflow_dataops.core.dq_gate.rules.unique", "pandas", "pytest", "hypothesis",
    "hypothesis.stateful", "_hypothesis_pytestplugin", "anyio.pytest_plugin", "pytest_mock", "pytest_timeout", "xdist.plugin",
):  # fmt: skip
    with contextlib.suppress(ImportError):  # other libraries bring some of them, or do not
        importlib.import_module(_name)
