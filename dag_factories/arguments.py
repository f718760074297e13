# SPDX-License-Identifier: Apache-2.0
"""What a DAG and each task are given: the package's defaults, ``dataops.yaml``, the file, the single task; the last wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dag_factories.project import Project
from dag_factories.specs.arguments import TASK_DEFAULTS, DagCommon
from dag_factories.specs.base import PipelineSpec

_FIRST = {"schedule": None, "timezone": "UTC", "catchup": False}
_COMMON = set(DagCommon.model_fields)


def dag_arguments(spec: PipelineSpec, project: Project) -> dict[str, Any]:
    """Return the arguments of the DAG under Airflow's names, JSON-safe.

    ``schedule`` is a cron text, a preset, None or ``{"assets": [...]}``; ``timezone`` is an IANA name; dates are ISO texts;
    durations are seconds; callbacks are names (:data:`dag_factories.specs.arguments.CALLBACKS`). Tags add up, everything else
    replaces.
    """
    defaults = project.dag_defaults
    merged = {**_FIRST, **defaults, **spec.given(only=_COMMON), **spec.dag.given()}
    merged["tags"] = list(dict.fromkeys([*defaults.get("tags", []), *spec.tags]))
    if spec.doc is not None:
        merged["doc_md"] = spec.doc
    return merged


def common_arguments(spec: PipelineSpec, project: Project) -> dict[str, Any]:
    """Return the arguments of all tasks under Airflow's names, JSON-safe; durations are seconds, callbacks are names."""
    owner = {"owner": spec.owner} if spec.owner is not None else {}
    return {**TASK_DEFAULTS, **project.task_defaults, **owner, **spec.defaults.given()}


def task_arguments(spec: PipelineSpec, common: Mapping[str, Any], task_id: str) -> dict[str, Any]:
    """Return the arguments of one task: those of all tasks, and its own, which win."""
    single = spec.tasks.get(task_id)
    return {**common, **single.given()} if single is not None else dict(common)
