# SPDX-License-Identifier: Apache-2.0
"""What belongs to the pipelines of a project in a lake: their runs' bad rows, and the tables that want looking after."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.refine.maintain import MaintainedTable, MaintainSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import Slice, TargetSpec
from dag_factories.discover import find_pipelines
from dag_factories.lake_access import enter
from dag_factories.pipeline import LoadedProject, load_pipeline, load_project
from dag_factories.resolve import replace_references


@dataclass(frozen=True)
class Kept:
    """What a pipeline keeps in its lake.

    Attributes:
        name: Name of the pipeline.
        file: Its file.
        lake: Root of its lake, with all references expanded.
        table: Its table; None for a kind without one.
        slice: What a run owns of the table.
        retention_days: Days that its bad rows are kept; None keeps them.
    """

    name: str
    file: Path
    lake: str
    table: TargetSpec | None = None
    slice: Slice | None = None
    retention_days: int | None = None


def kept(paths: Iterable[Path], *, target: str | None = None, lookup: Callable[[str], str] | None = None) -> list[Kept]:
    """Return what the pipelines of files and folders keep.

    Args:
        paths: Pipeline files, and folders of them.
        target: Name of a target; without it ``DATAOPS_TARGET``, else the project's default.
        lookup: ``env:NAME``, ``var:NAME`` or ``conn:ID.field`` -> value; the environment alone when omitted.

    Raises:
        PipelineError: A file cannot be used.
        SpecError: There is no such target, a reference has no value here, or the lakes have different connections (``S3_CONNECTIONS``).
    """
    files = [file for path in paths for file in (find_pipelines(path) if path.is_dir() else [path])]
    projects: dict[Path, LoadedProject] = {}
    find = lookup or _from_environment
    return [_kept(file, projects.setdefault(file.parent, load_project(file.parent)), target, find) for file in files]


def choose(pipelines: Iterable[Kept], name: str | None, key: str) -> Kept:
    """Return the pipeline that a run's key is meant of.

    Args:
        pipelines: All that come into question.
        name: Name of the pipeline, where the caller gave one.
        key: Key of the run.

    Raises:
        SpecError: There is none (``UNKNOWN_PIPELINE``), or more than one has a run of that key (``WHICH_PIPELINE``).
    """
    from airflow_dataops.clients.storage import storage_for
    from airflow_dataops.core.layout import RunLayout

    found = list(pipelines)
    if name is not None:
        named = [one for one in found if one.name == name]
        if not named:
            raise unknown_name("pipeline", name, [one.name for one in found], code="UNKNOWN_PIPELINE")
        return named[0]
    if len(found) > 1:
        layouts = {one.name: RunLayout(one.lake, one.name, key) for one in found}
        having = [
            one
            for one in found
            if any(map(storage_for(one.lake).names, (layouts[one.name].record, layouts[one.name].quarantine)))
        ]
        found = having or found
    if len(found) == 1:
        return found[0]
    listed = ", ".join(one.name for one in found)
    raise SpecError(
        f"of which pipeline is run {key!r} meant: {listed}" if found else "there is no pipeline here",
        hint="add --pipeline NAME" if found else "name a folder of pipelines with --in FOLDER",
        code="WHICH_PIPELINE",
    )


def maintain_specs(pipelines: Iterable[Kept], *, now: datetime, dry_run: bool = False) -> list[MaintainSpec]:
    """Return the job that looks after each lake of the pipelines.

    Args:
        pipelines: The pipelines.
        now: The time, aware.
        dry_run: Whether to say only what would be done.
    """
    lakes: dict[str, list[Kept]] = {}
    for one in pipelines:
        lakes.setdefault(one.lake, []).append(one)
    run = RunContext(pipeline="maintain", key=now.strftime("%Y-%m-%dT%H%M%S"))
    return [
        MaintainSpec(
            task="maintain",
            lake=lake,
            run=run,
            now=now,
            tables=[MaintainedTable(target=one.table, slice=one.slice) for one in members if one.table and one.slice],
            pipelines=[one.name for one in members],
            retention_days={one.name: one.retention_days for one in members if one.retention_days is not None},
            dry_run=dry_run,
        )
        for lake, members in lakes.items()
    ]


def _kept(file: Path, loaded: LoadedProject, target: str | None, lookup: Callable[[str], str]) -> Kept:
    def expanded(text: str) -> str:
        return replace_references(text, str, lambda ref: lookup(f"{ref.kind}:{ref.name}"))

    spec, project, chosen = load_pipeline(file, target=target, project=loaded).require()
    table: TargetSpec | None = getattr(spec, "target", None)
    enter(chosen.config, lookup)
    lake = project.absolute(expanded(chosen.lake))
    if table is None:
        return Kept(spec.name, file, lake)
    table = table.model_copy(update={"path": expanded(project.table(table.path, chosen))})
    owned: Slice | None = spec.slice() if hasattr(spec, "slice") else None
    return Kept(spec.name, file, lake, table, owned, getattr(getattr(spec, "quarantine", None), "retention_days", None))


def _from_environment(name: str) -> str:
    from airflow_dataops.jobs.secrets import lookup

    return lookup(name)
