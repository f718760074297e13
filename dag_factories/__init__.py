# SPDX-License-Identifier: Apache-2.0
"""One YAML file a pipeline: checked, planned, and turned into an Airflow DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dag_factories.loading import load_dag, load_dags
    from dag_factories.maintenance import load_maintenance

_MODULES = {
    "load_dag": "dag_factories.loading",
    "load_dags": "dag_factories.loading",
    "load_maintenance": "dag_factories.maintenance",
}
__all__ = ["load_dag", "load_dags", "load_maintenance"]


def __getattr__(name: str) -> Any:
    """Import the loaders when they are asked for: everything else here works without Airflow."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
