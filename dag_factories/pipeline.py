# SPDX-License-Identifier: Apache-2.0
"""A pipeline file with its project: read, typed, and checked as far as it can be without heavy imports."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from airflow_dataops.core.errors import SpecError, did_you_mean
from dag_factories.check.context import Check, Context
from dag_factories.check.dask import check_dask, check_targets
from dag_factories.check.identity import check_name, check_schedule
from dag_factories.check.metadata import check_archive, check_metadata_targets
from dag_factories.check.plans import check_plan
from dag_factories.check.project import check_confinement, check_masks, check_project, check_routes
from dag_factories.check.spark import check_spark, check_spark_targets
from dag_factories.check.stores import check_store
from dag_factories.check.structure import validate
from dag_factories.check.suites import check_suites
from dag_factories.check.texts import check_texts
from dag_factories.findings import Finding, PipelineError, has_errors, ordered
from dag_factories.plans.model import Plan
from dag_factories.project import FILE_NAME, Project, ProjectSpec, Target, find_root
from dag_factories.reader import Document, read
from dag_factories.specs import kinds, spec_of
from dag_factories.specs.base import Path as Place
from dag_factories.specs.base import PipelineSpec, Problem

RAW: tuple[Check, ...] = (check_texts,)
"""Checks of the file as it was read, whatever its types."""

LIGHT: tuple[Check, ...] = (
    check_name,
    check_schedule,
    check_routes,
    check_masks,
    check_confinement,
    check_suites,
    check_dask,
    check_spark,
    check_archive,
    check_plan,
    check_store,
)
"""Checks that need nothing but the two files; the loader of DAGs makes them too."""


@dataclass(frozen=True)
class LoadedProject:
    """A project's folder with what is wrong in its ``dataops.yaml``."""

    project: Project
    findings: tuple[Finding, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline file.

    Attributes:
        path: The file, absolute.
        project: Its project.
        target: Where it is meant to run; None where the project names none that exists.
        document: The file as it was read.
        context: What its checks look at; None where its kind is not known.
        removed: Parts that were left out of ``context.spec`` since they are wrong.
        findings: What is wrong in it and in ``dataops.yaml``.
    """

    path: Path
    project: Project
    target: Target | None
    document: Document
    context: Context | None = None
    removed: tuple[Place, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def relative(self) -> str:
        """The file's path from the project's folder, as a plan names it."""
        return self.project.relative(self.path)

    def require(self) -> tuple[PipelineSpec, Project, Target]:
        """Return what a plan is made of.

        Raises:
            PipelineError: The file or ``dataops.yaml`` has an error; the text lists all of them.
        """
        spec = self.context.spec if self.context else None
        if has_errors(self.findings) or spec is None or self.target is None:
            raise PipelineError(self.findings)
        return spec, self.project, self.target

    def plan(self) -> Plan:
        """Return the pipeline's plan, which the checks have made already.

        Raises:
            PipelineError: The file or ``dataops.yaml`` has an error; the text lists all of them.
        """
        self.require()
        plan = self.context.plan if self.context else None
        if plan is None:
            raise PipelineError(self.findings)
        return plan

    def checked(self, checks: Iterable[Check]) -> Pipeline:
        """Return the pipeline with the findings of further checks."""
        if self.context is None:
            return self
        found = list[Finding]()
        for check in checks:
            found += _located(self.document, check(self.context), () if check in RAW else self.removed)
        return replace(self, findings=tuple(ordered([*self.findings, *found]))) if found else self


def load_project(folder: Path, *, shown: str | None = None) -> LoadedProject:
    """Return the project that a folder belongs to. Never raises: what is wrong is in the findings.

    Args:
        folder: A folder of the project; ``dataops.yaml`` is looked for in it and above.
        shown: What findings call the file; its path without it.
    """
    root = find_root(folder.resolve())
    if root is None:
        return LoadedProject(Project(folder.resolve(), ProjectSpec(version=1)))
    path = root / FILE_NAME
    document = read(path, shown or display(path))
    checked = validate(ProjectSpec, document.data)
    project = Project(root, checked.model or ProjectSpec(version=1), path)
    found = _located(document, checked.problems, ()) if document.data else []
    if checked.model is not None:
        found += _located(document, check_project(project), checked.removed)
        found += _located(document, check_targets(project), checked.removed)
        found += _located(document, check_spark_targets(project), checked.removed)
        found += _located(document, check_metadata_targets(project), checked.removed)
        project, others = _with_rate_cards(project, document)
        found += others
    return LoadedProject(project, tuple(ordered([*document.findings, *found])), document.text)


def _with_rate_cards(project: Project, document: Document) -> tuple[Project, list[Finding]]:
    """Return the project with the prices that its targets name, and what is wrong with the files."""
    named = {
        target.dask.rate_card: ("targets", name, "dask", "rate_card")
        for name, target in project.spec.targets.items()
        if target.dask is not None and target.dask.rate_card is not None
    }
    if not named:
        return project, []
    from dag_factories.rates import read_card

    cards, found = {}, list[Finding]()
    for file, place in named.items():
        try:
            read_of = read_card(project, file, display(project.root / file))
        except SpecError as error:
            found += _located(document, [Problem(place, error.code, error.message, error.hint)], ())
            continue
        found += [*read_of.document.findings, *_located(read_of.document, read_of.problems, ())]
        if read_of.card is not None:
            cards[file] = read_of.card
    return replace(project, rate_cards=cards), found


def load_pipeline(
    path: Path | str,
    *,
    target: str | None = None,
    project: LoadedProject | None = None,
    shown: str | None = None,
    content: bytes | None = None,
) -> Pipeline:
    """Read a pipeline file and make the light checks. Nothing of it is executed, and no Airflow is imported.

    Args:
        path: The YAML file.
        target: Name of a target; without it ``DATAOPS_TARGET``, else the project's default.
        project: Its project, where several files share one; looked for without it.
        shown: What findings call the file; its path without it.
        content: What the file holds, where it has been read already.

    Raises:
        SpecError: ``target`` or ``DATAOPS_TARGET`` names no target (``UNKNOWN_TARGET``). What is wrong in a file never raises.
    """
    path = Path(path).absolute()
    loaded = project or load_project(path.parent)
    document = read(path, shown or display(path), loaded.project.spec.limits, content)
    chosen = _target(loaded, target)
    findings = [*loaded.findings, *document.findings]
    kind = document.data.get("kind")
    if not document.data or not isinstance(kind, str) or kind not in kinds():
        findings += _located(document, [_kind_problem(kind)], ()) if document.data else []
        return Pipeline(path, loaded.project, chosen, document, findings=tuple(findings))
    model = spec_of(kind)
    checked = validate(model, document.data)
    context = Context(path, document.data, model, checked.model, loaded.project, chosen)
    own = checked.model.problems() if checked.model else []
    findings += [*_located(document, checked.problems, ()), *_located(document, own, checked.removed)]
    pipeline = Pipeline(path, loaded.project, chosen, document, context, tuple(checked.removed), tuple(findings))
    return pipeline.checked(RAW + LIGHT)


def display(path: Path) -> str:
    """Return a path as findings show it: from the working folder where it lies below, else in full."""
    text, here = str(path), os.path.join(os.getcwd(), "")
    return text.removeprefix(here)


def _target(loaded: LoadedProject, name: str | None) -> Target | None:
    try:
        return loaded.project.target(name)
    except SpecError:
        if has_errors(loaded.findings):
            return None
        raise


def _kind_problem(kind: object) -> Problem:
    known = ", ".join(kinds())
    if kind is None:
        return Problem(
            (), "MISSING_KEY", f"the key 'kind' is missing; known kinds are: {known}", "add kind: bronze_to_silver"
        )
    if kind == "rate_card":
        message = "a rate card is no pipeline: it is checked with the dataops.yaml that names it"
        return Problem(("kind",), "UNKNOWN_KIND", message, "check dataops.yaml, or the whole folder")
    hint = did_you_mean(str(kind), kinds()) or "see them with `dataops schema`"
    return Problem(("kind",), "UNKNOWN_KIND", f"unknown kind {kind!r}; known are: {known}", hint)


def _located(document: Document, problems: Iterable[Problem], removed: Sequence[Place]) -> list[Finding]:
    """Turn problems into findings; those that only follow from a part that is wrong as YAML or was left out are dropped."""
    found: list[Finding] = []
    broken: set[tuple[int, int]] | None = None
    for problem in problems:
        if broken is None:  # most checks find nothing, so nothing is made ready for them
            broken = {(finding.line, finding.column) for finding in document.findings}
        if any(_touches(problem, path) for path in removed) or (broken and problem.needs):
            continue
        at = document.find(problem.path, on_key=problem.on_key, offset=problem.offset)
        if at in broken:
            continue
        found.append(
            Finding(document.file, at.line, at.column, problem.severity, problem.code, problem.message, problem.hint)
        )
    return found


def _touches(problem: Problem, removed: Place) -> bool:
    length = min(len(problem.path), len(removed))
    if length and problem.path[:length] == removed[:length]:
        return True
    top = str(removed[0])
    return any(top == need or did_you_mean(top, [need]) for need in problem.needs)
