# SPDX-License-Identifier: Apache-2.0
"""What a check may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


Check = Callable[[Context], Iterator[Problem]]
