# SPDX-License-Identifier: Apache-2.0
"""``dataops check``: files and folders in, findings out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dag_factories.discover import find_pipelines, yaml_files
from dag_factories.findings import Finding, ordered
from dag_factories.pipeline import LoadedProject, Pipeline, display, load_pipeline, load_project
from dag_factories.project import FILE_NAME


@dataclass
class Report:
    """What a check found.

    Attributes:
        findings: All findings, by file and position.
        texts: File, as findings name it -> its text, for snippets.
        files: Number of files looked at.
    """

    findings: list[Finding] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    files: int = 0


def check_files(paths: Iterable[Path], *, target: str | None = None, data: bool = True) -> Report:
    """Check pipeline files, whole folders, and the ``dataops.yaml`` that belong to them. Nothing is executed.

    Args:
        paths: Files and folders.
        target: Name of a target; without it ``DATAOPS_TARGET``, else each project's default.
        data: Whether the columns of sources that are there may be read.

    Raises:
        SpecError: ``target`` names no target (``UNKNOWN_TARGET``).
    """
    report, projects = Report(), dict[Path, LoadedProject]()
    found = list[Finding]()
    pipelines = dict[Path, Pipeline]()
    for path in _expanded(paths):
        loaded = projects.setdefault(path.parent, load_project(path.parent))
        report.files += 1
        if path.name == FILE_NAME:
            found += loaded.findings
            _remember_project(report, loaded)
            continue
        pipelines[path] = _deep(load_pipeline(path, target=target, project=loaded), data=data)
        found += pipelines[path].findings
        report.texts[pipelines[path].document.file] = pipelines[path].document.text
        if loaded.findings:
            _remember_project(report, loaded)
    report.findings = ordered([*found, *duplicates(pipelines), *shared_tables(pipelines)])
    return report


def duplicates(pipelines: dict[Path, Pipeline]) -> list[Finding]:
    """Return a finding for each pipeline whose name another file of its project has too; both files are named."""
    by_root = {pipeline.project.root: dict[str, list[Path]]() for pipeline in pipelines.values()}
    for root, names in by_root.items():
        for path in yaml_files(root):
            names.setdefault(path.stem, []).append(path)
    found = []
    for path, pipeline in pipelines.items():
        others = [other for other in by_root[pipeline.project.root].get(path.stem, []) if other != path]
        if pipeline.context is not None and others:
            at = pipeline.document.find(("name",))
            named = " and ".join(display(other) for other in others)
            message = f"two pipelines are named {path.stem!r}: {display(path)} and {named}"
            hint = "rename one of the files and its name"
            found.append(Finding(pipeline.document.file, at.line, at.column, "error", "DUPLICATE_NAME", message, hint))
    return found


def shared_tables(pipelines: dict[Path, Pipeline]) -> list[Finding]:
    """Return a warning for each pipeline whose runs delete rows that another one of these has published to the same table."""
    tables: dict[str, list[tuple[Pipeline, Any]]] = {}
    for pipeline in pipelines.values():
        spec: Any = pipeline.context.spec if pipeline.context else None
        if pipeline.target is not None and getattr(spec, "target", None) is not None:
            path = pipeline.project.table(spec.target.path, pipeline.target).rstrip("/")
            tables.setdefault(path, []).append((pipeline, spec))
    found = []
    for sharing in tables.values():
        for pipeline, spec in sharing:
            others = " and ".join(display(other.path) for other, _ in sharing if other.path.stem != pipeline.path.stem)
            if others and spec.target.mode == "replace" and spec.slice().kind in ("full", "window"):
                at = pipeline.document.find(("target", "path"))
                message = f"{others} publishes to this table too, and each run here deletes its rows where they lie in the run's slice"
                hint = "publish to a table of its own, or use mode: merge; harmless where the two write the same rows"
                found.append(
                    Finding(pipeline.document.file, at.line, at.column, "warning", "TARGET_SHARED", message, hint)
                )
    return found


def _deep(pipeline: Pipeline, *, data: bool) -> Pipeline:
    from dag_factories.check.deep import deep_checks

    return pipeline.checked(deep_checks(data=data))


def _expanded(paths: Iterable[Path]) -> list[Path]:
    """Return the files, folders replaced by what lies below them; each once."""
    files: dict[Path, None] = {}
    for path in (path.absolute() for path in paths):
        if path.is_dir():
            files.update(dict.fromkeys(sorted(path.rglob(FILE_NAME))))
            files.update(dict.fromkeys(find_pipelines(path)))
        else:
            files[path] = None
    return list(files)


def _remember_project(report: Report, loaded: LoadedProject) -> None:
    if loaded.project.file is not None:
        report.texts[display(loaded.project.file)] = loaded.text
