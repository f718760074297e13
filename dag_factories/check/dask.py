# SPDX-License-Identifier: Apache-2.0
"""Pipelines against a target with Dask clusters. What knows Dask is imported where a file is of that kind, or a target has clusters."""

from __future__ import annotations

from collections.abc import Iterator

from dag_factories.check.context import Context
from dag_factories.project import Project
from dag_factories.specs.base import Problem

KIND = "composer_dask"


def check_dask(context: Context) -> Iterator[Problem]:
    """Yield what Google would not take of a pipeline's cluster and jobs, and what it may cost at worst."""
    if context.spec is None or context.target is None:
        return
    if context.data.get("kind") == KIND:
        from dag_factories.check.dask_pipeline import check

        yield from check(context)
    elif context.target.config.runner == "dataproc_dask":
        from dag_factories.check.dask_steps import check as check_steps

        yield from check_steps(context)


def check_functions(context: Context) -> Iterator[Problem]:
    """Yield functions whose modules are not found, and those that a module does not define; nothing is imported or executed."""
    if context.data.get("kind") == KIND and context.spec is not None:
        from dag_factories.check.dask_functions import check

        yield from check(context)


def check_targets(project: Project) -> Iterator[Problem]:
    """Yield what Google would not take of the shapes of a project's targets, whatever pipelines make of them."""
    for name, target in project.spec.targets.items():
        if target.dask is not None:
            from dag_factories.check.dask_target import check

            yield from check(name, target)
