# SPDX-License-Identifier: Apache-2.0
"""What a DAG and each task are given: the package's defaults, ``dataops.yaml``, the file, the single task; the last wins."""

from __future__ import annotations

from typing import Any

from dag_factories.project import Project
from dag_factories.specs.arguments import TASK_DEFAULTS, AuthorModel, DagCommon
from dag_factories.specs.base import PipelineSpec

_FIRST = {"schedule": None, "timezone": "UTC", "catchup": False}


def dag_arguments(spec: PipelineSpec, project: Project) -> dict[str, Any]:
    """Return the arguments of the DAG under Airflow's names, JSON-safe.

    ``schedule`` is a cron text, a preset, None or ``{"assets": [...]}``; ``timezone`` is an IANA name; dates are ISO texts;
    durations are seconds; callbacks are names (:data:`dag_factories.specs.arguments.CALLBACKS`). Tags add up, everything else
    replaces.
    """
    defaults = given(project.spec.defaults.dag)
    merged = {**_FIRST, **defaults, **given(spec, set(DagCommon.model_fields)), **given(spec.dag)}
    merged["tags"] = list(dict.fromkeys([*defaults.get("tags", []), *spec.tags]))
    if spec.doc is not None:
        merged["doc_md"] = spec.doc
    return merged


def task_arguments(spec: PipelineSpec, project: Project, task_id: str) -> dict[str, Any]:
    """Return the arguments of one task under Airflow's names, JSON-safe; durations are seconds, callbacks are names."""
    owner = {"owner": spec.owner} if spec.owner is not None else {}
    single = given(spec.tasks[task_id]) if task_id in spec.tasks else {}
    project_wide = {name: value for name, value in given(project.spec.defaults).items() if name != "dag"}
    return {**TASK_DEFAULTS, **project_wide, **owner, **given(spec.defaults), **single}


def given(model: AuthorModel, names: set[str] | None = None) -> dict[str, Any]:
    """Return what the author wrote of a model, and nothing that is only a default."""
    return model.model_dump(mode="json", include=names, exclude_unset=True)
