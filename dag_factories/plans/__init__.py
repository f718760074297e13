# SPDX-License-Identifier: Apache-2.0
"""spec + target -> Plan: one pure function a kind, in the module of that name, as ``PLAN``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dag_factories.plans.model import Plan
    from dag_factories.project import Project, Target
    from dag_factories.specs.base import PipelineSpec


def plan_of(spec: PipelineSpec, project: Project, target: Target, source_file: str) -> Plan:
    """Return the plan of a pipeline of any kind.

    Args:
        spec: The pipeline.
        project: Its project.
        target: Where it runs.
        source_file: The YAML file, relative to the project's folder.

    Raises:
        SpecError: The target cannot run it (``ENGINE_NOT_AVAILABLE``).
    """
    made: Plan = import_module(f"{__name__}.{spec.kind}").PLAN(spec, project, target, source_file)
    return made
