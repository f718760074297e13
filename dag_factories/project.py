# SPDX-License-Identifier: Apache-2.0
"""``dataops.yaml``: where pipelines run, and what holds for all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field

from airflow_dataops.core.errors import SpecError, unknown_name
from dag_factories.paths import RealPaths
from dag_factories.plans.model import Route as PlanRoute
from dag_factories.references import expand_lake, typed_values
from dag_factories.specs.arguments import AuthorModel, DagDefaults, TaskArguments
from dag_factories.specs.dask import DaskTarget
from dag_factories.specs.edge import MetadataTarget
from dag_factories.specs.limits import Limits
from dag_factories.specs.masks import Mask
from dag_factories.specs.spark import SparkTarget

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.budget import RateCard

FILE_NAME = "dataops.yaml"
TARGET_VARIABLE = "DATAOPS_TARGET"

_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class TargetConfig(AuthorModel):
    """Where pipelines run.

    Attributes:
        engine: What does the work.
        runner: Where it does it.
        lake: Root of the lake: a folder (relative to ``dataops.yaml``) or a URI; may hold ``${env:…}``.
        resources: Limits of each job's process, where a pipeline says nothing.
        report_base_url: Where a browser finds the lake's pages (a console, a web server); links are made from it.
        aws_conn_id: Of ``runner: local``: Airflow connection of type ``aws`` for a lake in S3; without it the environment says where S3 is.
        dask: Clusters of a target with ``runner: dataproc_dask``.
        spark: Drivers of a target with ``runner: spark_k8s`` or ``spark_standalone``.
        metadata: Kafka and the store of ``gpu_metadata`` pipelines; without it they run on files of this machine.
        production: True where data matters: nothing that is only for trying things out runs here.
    """

    engine: Literal["duckdb", "spark", "dask"] = "duckdb"
    runner: Literal["local", "spark_k8s", "spark_standalone", "dataproc_dask"] = "local"
    lake: str = Field(default="./lake", min_length=1)
    resources: Limits = Limits()
    report_base_url: str | None = None
    aws_conn_id: str | None = None
    dask: DaskTarget | None = None
    spark: SparkTarget | None = None
    metadata: MetadataTarget | None = None
    production: bool = False


class Defaults(TaskArguments):
    """Arguments of all tasks of all pipelines, and of their DAGs.

    Attributes:
        dag: Arguments of all DAGs.
    """

    dag: DagDefaults = DagDefaults()


class Route(AuthorModel):
    """Where an alert goes.

    Attributes:
        notifier: Registered name: ``log``, ``webhook``, ``smtp``, or one of another package. Other keys are its arguments.
    """

    model_config = ConfigDict(extra="allow")

    notifier: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The notifier's arguments; texts may hold references to secrets."""
        return dict(self.model_extra or {})


class ReadLimits(AuthorModel):
    """Limits of each YAML file.

    Attributes:
        file_bytes: Largest file.
        nodes: Most values of a file, each use of an alias counted.
        depth: Deepest nesting.
    """

    file_bytes: int = Field(default=256 * 1024, ge=1024, le=16 * 2**20)
    nodes: int = Field(default=20_000, ge=100, le=1_000_000)
    depth: int = Field(default=40, ge=4, le=100)


class ProjectSpec(AuthorModel):
    """The file ``dataops.yaml``.

    Attributes:
        version: Version of the file's format.
        default_target: Target that is used where nobody names one.
        targets: Name -> where pipelines run.
        defaults: Arguments of all tasks, and under ``dag`` of all DAGs.
        masks: Tag -> mask of the columns that carry it.
        alerts: Route -> notifier and its arguments.
        paths: Further folders and URIs that sources and targets may lie in, besides this folder and the lake.
        code: Folders with the functions of ``composer_dask`` pipelines, besides the folder of each pipeline and this one.
        limits: Limits of each YAML file.
    """

    version: Literal[1]
    default_target: str = "local"
    targets: dict[str, TargetConfig] = Field(default={"local": TargetConfig()}, min_length=1)
    defaults: Defaults = Defaults()
    masks: dict[str, Mask] = {}
    alerts: dict[str, Route] = {}
    paths: list[str] = []
    code: list[str] = []
    limits: ReadLimits = ReadLimits()


@dataclass(frozen=True)
class Target:
    """A target that was chosen.

    Attributes:
        name: Its name.
        config: What ``dataops.yaml`` says of it.
        lake: Root of the lake without a slash at the end: an absolute folder or a URI. ``${env:…}`` is not expanded.
    """

    name: str
    config: TargetConfig
    lake: str


@dataclass(frozen=True)
class Project:
    """A folder with pipelines.

    Attributes:
        root: The folder of ``dataops.yaml``, absolute.
        spec: What the file says; all defaults where there is none.
        file: The file; None where there is none.
        rate_cards: Path of a rate card, as a target names it -> its prices; those that could be read.
    """

    root: Path
    spec: ProjectSpec
    file: Path | None = None
    rate_cards: Mapping[str, RateCard] = field(default_factory=dict)

    @cached_property
    def _root(self) -> str:
        return str(self.root)

    @cached_property
    def dag_defaults(self) -> dict[str, Any]:
        """What ``defaults: {dag: …}`` says, JSON-safe; the same for all pipelines, so it is asked for once."""
        return self.spec.defaults.dag.given()

    @cached_property
    def task_defaults(self) -> dict[str, Any]:
        """What ``defaults`` says of all tasks, JSON-safe."""
        return self.spec.defaults.given(without={"dag"})

    @cached_property
    def routes(self) -> dict[str, PlanRoute]:
        """All routes as plans have them: a text with a reference is one, since a webhook's address is a secret more often than not."""
        return {
            name: PlanRoute(notifier=route.notifier, arguments=typed_values(route.arguments))
            for name, route in self.spec.alerts.items()
        }

    @cached_property
    def right_suites(self) -> set[str]:
        """Paths of the suites that a check has read and found right: pipelines share them, and one load reads each once."""
        return set()

    @cached_property
    def _targets(self) -> dict[str, Target]:
        return {}

    @cached_property
    def _paths(self) -> RealPaths:
        return RealPaths()

    def relative(self, path: Path) -> str:
        """Return a file's path from the project's folder, as a plan names it."""
        text, root = str(path), f"{self._root}/"
        if text.startswith(root) and "/../" not in text:
            return text[len(root) :]
        return Path(os.path.relpath(path, self.root)).as_posix()

    def target(self, name: str | None = None, environ: Mapping[str, str] | None = None) -> Target:
        """Return a target.

        Args:
            name: Its name; without it the environment's ``DATAOPS_TARGET``, else ``default_target``.
            environ: The environment; ``os.environ`` without it.

        Raises:
            SpecError: There is no such target (``UNKNOWN_TARGET``).
        """
        chosen = name or (os.environ if environ is None else environ).get(TARGET_VARIABLE) or self.spec.default_target
        if chosen not in self._targets:
            config = self.spec.targets.get(chosen)
            if config is None:
                raise unknown_name("target", chosen, self.spec.targets, code="UNKNOWN_TARGET")
            self._targets[chosen] = Target(chosen, config, self.absolute(config.lake))
        return self._targets[chosen]

    def absolute(self, path: str) -> str:
        """Return a path or URI in full: a relative one is meant from the project's folder; no slash at the end.

        A path that starts with a reference other than ``${lake}`` stays as it is: what it is, is known later.
        """
        if _URI.match(path) or path.startswith("${"):
            return path.rstrip("/")
        if path.startswith("/") and "//" not in path and "/." not in path and not path.endswith("/"):
            return path  # as it is already, which is far quicker to see
        return os.path.normpath(os.path.join(self._root, path))

    def table(self, path: str, target: Target) -> str:
        """Return the full path of a table; ``${lake}`` is expanded, other references stay."""
        return self.absolute(expand_lake(path, target.lake))

    def file_path(self, path: str) -> Path:
        """Return a file of the project by its relative path.

        Raises:
            SpecError: It lies outside of the project's folder, also by a symbolic link (``PATH_OUTSIDE``).
        """
        full = os.path.join(self._root, path)
        if not self._paths.inside(full, self._root):
            raise SpecError(
                f"{path} lies outside of the project's folder {self.root.name}/",
                hint="move the file beside dataops.yaml and write its path from there",
                code="PATH_OUTSIDE",
            )
        return Path(self._paths.real(full))

    def confined(self, path: str, target: Target) -> None:
        """Check that a table lies in the project's folder, the lake, or one of ``paths``.

        Args:
            path: The table's path as the author wrote it.
            target: Where it is meant.

        Raises:
            SpecError: It lies elsewhere (``PATH_OUTSIDE``).
        """
        full = self.table(path, target)
        if full.startswith("${"):
            return  # only the run knows what ${env:…} stands for
        roots = [target.lake, self._root, *(self.absolute(p) for p in self.spec.paths)]
        if not any(self._inside(full, root) for root in roots):
            raise SpecError(
                f"{path} lies outside of the project's folder and of the lake {target.lake}",
                hint="write it below ${lake}, or name its folder in paths: of dataops.yaml",
                code="PATH_OUTSIDE",
            )

    def _inside(self, full: str, root: str) -> bool:
        if _URI.match(full) or _URI.match(root):
            return ".." not in full.split("/") and (full == root or full.startswith(root + "/"))
        return self._paths.inside(full, root)


def find_root(start: Path) -> Path | None:
    """Return the nearest folder, from ``start`` upwards, that holds ``dataops.yaml``; None where there is none.

    The search ends at the top of a Git work tree: what lies above belongs to somebody else.
    """
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
        if (folder / ".git").exists():
            return None
    return None
