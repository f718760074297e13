# SPDX-License-Identifier: Apache-2.0
"""What every pipeline file has, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from dag_factories.references import ReferenceKind
from dag_factories.specs.arguments import AuthorModel, DagArguments, DagCommon, TaskArguments
from dag_factories.specs.values import Names, PipelineName

Path = tuple[str | int, ...]
"""Keys and indices from the top of a file down to a value."""


class Problem(NamedTuple):
    """Something wrong in a spec that its types alone cannot say.

    Attributes:
        path: Where, in the file.
        code: Stable code in capitals.
        message: What was received and what is valid.
        hint: What to type.
        severity: ``error`` or ``warning``.
        offset: Characters into the value at ``path``; None for its start.
        on_key: True where the key is at fault, not its value.
        needs: Of a problem of the whole file, the keys that it speaks of.
    """

    path: Path
    code: str
    message: str
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    offset: int | None = None
    on_key: bool = False
    needs: tuple[str, ...] = ()


class Alerts(AuthorModel):
    """Which routes of ``dataops.yaml`` are told, by severity.

    Attributes:
        critical: When a task fails.
        warning: When the run passes with warnings, or with bad rows put aside.
        info: When the run passes.
    """

    critical: Names = []
    warning: Names = []
    info: Names = []


class PipelineSpec(DagCommon):
    """A pipeline file.

    Attributes:
        version: Version of the file's format.
        kind: Kind of the pipeline.
        name: Name of the pipeline and id of its DAG; equals the file's name without ``.yaml``.
        doc: Text shown on the DAG's page, Markdown.
        owner: Who answers for the pipeline; the same as ``defaults: {owner: …}``.
        dag: The rarer arguments of the DAG.
        defaults: Arguments of all tasks.
        tasks: Arguments of single tasks, by task id; they win over ``defaults``.
        alerts: Who is told.
    """

    REFERENCES: ClassVar[Mapping[str, frozenset[ReferenceKind]]] = {
        "schedule.assets.*": frozenset({"lake", "env", "var", "conn"}),
    }
    """Fields that take references: dotted path, ``*`` for any one key, ``**`` at the end for all below -> kinds."""

    REFERENCE_HINTS: ClassVar[Mapping[str, str]] = {}
    """What to do instead, where a field does not take a reference that others do; the same paths."""

    FREE_TEXT: ClassVar[frozenset[str]] = frozenset({"doc", "description", "tasks.*.doc_md", "defaults.doc_md"})
    """Fields that are never rendered, and so may hold anything."""

    version: Literal[1]
    kind: str
    name: PipelineName
    doc: str | None = None
    owner: str | None = None
    dag: DagArguments = DagArguments()
    defaults: TaskArguments = TaskArguments()
    tasks: dict[str, TaskArguments] = {}
    alerts: Alerts = Alerts()

    def problems(self) -> list[Problem]:
        """Return what contradicts itself in the spec; nothing outside of it is looked at."""
        return []
