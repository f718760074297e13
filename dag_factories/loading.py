# SPDX-License-Identifier: Apache-2.0
"""What a DAG file calls: one YAML file beside its stub, or all of a folder."""

from __future__ import annotations

import gc
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from airflow_dataops.core.errors import DataOpsError, SpecError
from dag_factories.discover import ENDINGS, is_foreign, yaml_files
from dag_factories.findings import Finding, PipelineError, ordered
from dag_factories.pipeline import LoadedProject, display, load_pipeline, load_project
from dag_factories.plans.model import Plan
from dag_factories.reader import read_bytes

log = logging.getLogger(__name__)

_AT_A_TIME = 64


class _Ready(NamedTuple):
    """What a DAG is made of. The typed file, and what its checks looked at, are let go of as soon as there is a plan."""

    path: Path
    plan: Plan
    root: Path
    text: str
    findings: tuple[Finding, ...]


def load_dag(file: str, target: str | None = None) -> Any:
    """Return the DAG of the YAML file beside a stub: ``flights.yaml`` for ``flights.py``.

    Args:
        file: The stub, ``__file__``.
        target: Name of a target in ``dataops.yaml``; without it ``DATAOPS_TARGET``, else the project's default.

    Raises:
        PipelineError: The YAML file cannot be used. The text lists all findings with file, line, column and what to type; Airflow
            shows it as the stub's import error.
    """
    beside = [Path(file).with_suffix(ending) for ending in ENDINGS]
    path = next((path for path in beside if path.is_file()), None)
    if path is None:
        path = beside[0]
        raise _only(path, "FILE_MISSING", f"{path.name} is not beside {Path(file).name}", f"write it, or delete {file}")
    return _realised(_planned(path, load_project(path.parent), target), file)


def load_dags(path: str, target: str | None = None, *, namespace: MutableMapping[str, Any]) -> dict[str, Any]:
    """Put the DAG of every pipeline file of a folder into a namespace.

    Good files always load. All that is wrong with the others is in the one DAG ``dataops_broken_files``, which is there only
    while there is something to say, and in the gauge ``dataops.yaml.broken``. While a worker starts a task, only that task's DAG
    is built, found by its file's name.

    Args:
        path: The folder; a relative one is meant from the folder of the calling file.
        target: Name of a target in ``dataops.yaml``; without it ``DATAOPS_TARGET``, else the project's default.
        namespace: ``globals()`` of the calling file: Airflow finds DAGs there.

    Returns:
        DAG id -> DAG.

    Raises:
        SpecError: The folder does not exist (``FOLDER_MISSING``).
    """
    from dag_factories.realise.parsing import wanted_dag_id

    loader = str(namespace["__file__"])
    folder = (Path(loader).parent / path).resolve()
    if not folder.is_dir():
        raise SpecError(f"there is no folder {folder}", hint='write load_dags("pipelines", …)', code="FOLDER_MISSING")
    dags = _Folder(folder, target, loader).load(wanted_dag_id())
    namespace.update(dags)
    return dags


class _Folder:
    """One loader file's folder."""

    def __init__(self, folder: Path, target: str | None, loader: str) -> None:
        self._folder, self._target, self._loader = folder, target, loader
        self._projects: dict[Path, LoadedProject] = {}
        self._findings: list[Finding] = []
        self._files_broken = 0

    def load(self, wanted: str | None) -> dict[str, Any]:
        from dag_factories.realise.parsing import BROKEN_DAG_ID

        by_name: dict[str, list[Path]] = defaultdict(list)
        for path in yaml_files(self._folder):
            if wanted in {None, BROKEN_DAG_ID, path.stem}:
                by_name[path.stem].append(path)
        with _collector_at_rest():
            dags = dict(self._good(by_name))
        return dags | self._broken() if wanted in {None, BROKEN_DAG_ID} else dags

    def _broken(self) -> dict[str, Any]:
        from dag_factories.realise.broken import broken_dag, count_broken

        count_broken(self._files_broken)
        if not self._findings:
            return {}
        dag = broken_dag(ordered(self._findings), self._loader)
        return {dag.dag_id: dag}

    def _good(self, by_name: dict[str, list[Path]]) -> Iterator[tuple[str, Any]]:
        """Yield the DAGs that can be made; some files are checked before their DAGs are made, which keeps the code of each warm."""
        from dag_factories.realise.arguments import configured

        asked = configured() if len(by_name) > 1 else {}
        checked = self._checked(by_name)
        while some := list(islice(checked, _AT_A_TIME)):
            for ready in some:
                try:
                    yield ready.plan.name, _realised(ready, self._loader, asked)
                except PipelineError as error:
                    self._refuse(error.findings)

    def _checked(self, by_name: dict[str, list[Path]]) -> Iterator[_Ready]:
        for name, paths in by_name.items():
            found = list(self._read(paths))
            if len(found) > 1:
                self._refuse(_same_name(name, [path for path, _ in found]), len(found))
                continue
            for path, content in found:
                try:
                    ready = _planned(path, self._project(path.parent), self._target, content)
                except PipelineError as error:
                    self._refuse(error.findings)
                else:
                    yield ready

    def _refuse(self, findings: Iterable[Finding], files: int = 1) -> None:
        self._findings += findings
        self._files_broken += files

    def _read(self, paths: Iterable[Path]) -> Iterator[tuple[Path, bytes | None]]:
        """Yield the files that are pipelines, with what they hold; None where one cannot be read, which its checks tell."""
        for path in paths:
            try:
                content = read_bytes(path, self._project(path.parent).project.spec.limits.file_bytes + 1)
            except OSError:
                yield path, None
            else:
                if not is_foreign(content):
                    yield path, content

    def _project(self, folder: Path) -> LoadedProject:
        if folder not in self._projects:
            above = self._projects.get(folder.parent)
            # dataops.yaml is read once, however many folders of pipelines lie below it.
            own = above is None or (folder / "dataops.yaml").is_file()
            self._projects[folder] = load_project(folder) if own or above is None else above
        return self._projects[folder]


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the garbage collector off while DAGs are made: they stay, and it would look through all of them again and again.

    What is thrown away meanwhile goes by its reference count, as plans and typed files hold no cycles.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _planned(path: Path, project: LoadedProject, target: str | None, content: bytes | None = None) -> _Ready:
    """Return the plan of a file, with what else its DAG needs."""
    with _as_findings(path):
        pipeline = load_pipeline(path, target=target, project=project, content=content)
        return _Ready(path, pipeline.plan(), pipeline.project.root, pipeline.document.text, pipeline.findings)


def _realised(ready: _Ready, loader: str, configured: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Return the DAG of a plan; what the checks warn of goes into the log."""
    from dag_factories.realise import realise

    for finding in ready.findings:
        log.warning("%s", finding)
    with _as_findings(ready.path):
        return realise(ready.plan, root=ready.root, loader=loader, source=ready.text, configured=configured)


@contextmanager
def _as_findings(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into a :class:`PipelineError`, so that no file takes another one with it."""
    try:
        yield
    except PipelineError:
        raise
    except DataOpsError as error:
        raise _only(path, error.code, error.message, error.hint) from error
    except Exception as error:  # Airflow's own refusals have no common class
        raise _only(path, "DAG_REFUSED", f"Airflow refuses the DAG: {type(error).__name__}: {error}", None) from error


def _only(path: Path, code: str, message: str, hint: str | None) -> PipelineError:
    return PipelineError([Finding(display(path), 1, 1, "error", code, message, hint)])


def _same_name(name: str, paths: Iterable[Path]) -> list[Finding]:
    shown = [display(path) for path in paths]
    return [
        Finding(
            file,
            1,
            1,
            "error",
            "DUPLICATE_NAME",
            f"{len(shown)} files make a pipeline named {name!r}: {', '.join(shown)}; none of them is loaded",
            "rename all but one of them, the file and its name:",
        )
        for file in shown
    ]
