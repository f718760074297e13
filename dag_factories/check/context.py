# SPDX-License-Identifier: Apache-2.0
"""What a check may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dag_factories.plans import plan_of
from dag_factories.plans.model import Plan
from dag_factories.project import Project, Target
from dag_factories.specs.base import PipelineSpec, Problem


@dataclass(frozen=True)
class Context:
    """One pipeline file that is being checked.

    Attributes:
        path: The file.
        data: Its mapping as it was read.
        model: The model of its kind.
        spec: Its typed form, made without the wrong parts; None where too little is left.
        project: Its project.
        target: Where it is meant to run; None where the project's targets are broken.
    """

    path: Path
    data: dict[str, Any]
    model: type[PipelineSpec]
    spec: PipelineSpec | None
    project: Project
    target: Target | None

    @cached_property
    def plan(self) -> Plan | None:
        """The plan, made once for the checks and for what follows them; None where too little is known to make one.

        Raises:
            SpecError: The target cannot run the pipeline, or a text of it holds a wrong reference.
        """
        if self.spec is None or self.target is None:
            return None
        return plan_of(self.spec, self.project, self.target, self.project.relative(self.path))


Check = Callable[[Context], Iterator[Problem]]
