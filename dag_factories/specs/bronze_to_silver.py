# SPDX-License-Identifier: Apache-2.0
"""Kind ``bronze_to_silver``: gate a bronze table, clean and mask it, gate the result, publish it as a silver table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from airflow_dataops.core.dq_gate.words import OnFailure
from airflow_dataops.core.refine.cleaning import CleanSpec, DriftSpec
from airflow_dataops.core.tables import (
    FullSlice,
    PartitionSlice,
    QuarantineSpec,
    RunSlice,
    Slice,
    SourceSpec,
    TargetSpec,
    WindowSlice,
)
from dag_factories.references import PATH_KINDS, SECRET_KINDS, ReferenceKind
from dag_factories.specs.arguments import AuthorModel
from dag_factories.specs.base import PipelineSpec, Problem
from dag_factories.specs.limits import Limits
from dag_factories.specs.masks import MaskOrNone
from dag_factories.specs.values import Names

_RUN = re.compile(r"\$\{run\.")
_HIVE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.+)")


class Column(AuthorModel):
    """What is known of a silver column.

    Attributes:
        tags: What kind of data it holds; ``masks`` of ``dataops.yaml`` says how each tag is masked.
        mask: A mask for this column alone; wins over its tags.
    """

    tags: Names = []
    mask: MaskOrNone = None


class Gate(AuthorModel):
    """A check of one table.

    Attributes:
        suite: Path of a Great Expectations suite (JSON), relative to ``dataops.yaml``.
        rules: Rules in the short form (``not_null: tailnum``), after those of the suite.
        on_failure: ``quarantine`` puts rows that break critical row rules aside and goes on; ``fail`` fails the run;
            ``warn`` never fails.
        max_quarantine_ratio: Highest share of rows, 0..1, that may be put aside before the run fails.
        examples: Bad rows a rule that the page shows.
    """

    suite: str | None = None
    rules: list[dict[str, Any]] = []
    on_failure: OnFailure = "fail"
    max_quarantine_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    examples: int = Field(default=5, ge=0, le=50)


class SilverGate(AuthorModel):
    """A check of the staged table. Its rows are final, so nothing of it can be put aside any more.

    Attributes:
        suite: Path of a Great Expectations suite (JSON), relative to ``dataops.yaml``.
        rules: Rules in the short form (``not_null: tailnum``), after those of the suite.
        on_failure: ``fail`` publishes nothing when a critical rule fails; ``warn`` publishes and says so.
        examples: Bad rows a rule that the page shows.
    """

    suite: str | None = None
    rules: list[dict[str, Any]] = []
    on_failure: Literal["fail", "warn"] = "fail"
    examples: int = Field(default=5, ge=0, le=50)


class Quality(AuthorModel):
    """The checks.

    Attributes:
        bronze: Check of the run's slice of the source, before cleaning.
        silver: Check of the cleaned rows, before they are published.
    """

    bronze: Gate | None = None
    silver: SilverGate | None = None


class Page(AuthorModel):
    """The result page.

    Attributes:
        title: Heading; the pipeline's name without it.
        history: Earlier runs in its charts.
    """

    title: str | None = None
    history: int = Field(default=30, ge=0, le=1000)


class BronzeToSilverSpec(PipelineSpec):
    """Gate a bronze table, clean and mask it, gate the result, publish it as a silver table.

    Exactly one of ``full``, ``window`` and run references in ``source.path`` says which rows a run owns.

    Attributes:
        source: Table to read.
        target: Table to publish.
        full: True: each run replaces the whole table.
        window: Each run replaces the rows of its data interval.
        columns: What is known of the columns, by their silver names.
        clean: Cleaning steps, in the order in which the reference lists them.
        quality: Checks before and after cleaning.
        drift: What happens when the source's columns change; the key in the file is ``schema``.
        quarantine: How bad rows are kept.
        resources: Limits of each job's process.
        report: The result page.
    """

    REFERENCES: ClassVar[Mapping[str, frozenset[ReferenceKind]]] = {
        **PipelineSpec.REFERENCES,
        "source.path": PATH_KINDS | {"run"},
        "target.path": PATH_KINDS,
        "columns.*.mask.salt": SECRET_KINDS,
        "resources.spill_dir": frozenset({"env", "var"}),
    }

    kind: Literal["bronze_to_silver"]
    source: SourceSpec
    target: TargetSpec
    full: bool = False
    window: WindowSlice | None = None
    columns: dict[str, Column] = {}
    clean: CleanSpec = CleanSpec()
    quality: Quality = Quality()
    drift: DriftSpec = Field(default=DriftSpec(), alias="schema")
    quarantine: QuarantineSpec = QuarantineSpec()
    resources: Limits = Limits()
    report: Page = Page()

    def slice(self) -> Slice:
        """Return what a run owns of the target; run references in the values are not expanded.

        A path such as ``…/month=${run.month}`` owns partitions where every run reference of the path stands in a hive folder
        whose column the target is partitioned by. Otherwise a run owns the files that were made of the same path before; that is told
        without the lake's root, so that a lake can move.
        """
        if self.window is not None:
            return self.window
        if self.full:
            return FullSlice()
        values = {}
        for segment in self.source.path.split("/"):
            if not _RUN.search(segment):
                continue
            hive = _HIVE.fullmatch(segment)
            if not hive or hive[1] not in self.target.partition_by:
                return RunSlice(source=self.source.path.removeprefix("${lake}/"))
            values[hive[1]] = hive[2]
        return PartitionSlice(values=values)

    def problems(self) -> list[Problem]:
        """Return what contradicts itself: the slice, merge keys, dedup options, checks without rules."""
        return [*super().problems(), *self._slice_problems(), *self._target_problems(), *self._gate_problems()]

    def _slice_problems(self) -> Iterator[Problem]:
        choices = {
            "full": self.full,
            "window": self.window,
            "run references in source.path": _RUN.search(self.source.path),
        }
        named = [name for name, given in choices.items() if given]
        if not named:
            yield Problem(
                (),
                "SLICE_MISSING",
                "nothing says which rows a run owns",
                "write full: true, or window: {column: time}, or a path such as ${lake}/bronze/x/date=${run.date}",
                needs=("full", "window", "source"),
            )
        elif len(named) > 1:
            where: tuple[str, ...] = ("window",) if self.window is not None else ("full",)
            message = f"{' and '.join(named)} each say which rows a run owns; only one of them may"
            yield Problem(where, "SLICE_AMBIGUOUS", message, "remove the others", on_key=True)
        if self.window is not None and self.schedule is None:
            yield Problem(
                ("window",),
                "WINDOW_WITHOUT_SCHEDULE",
                "a run without a schedule has no data interval, so there is no window to take",
                'write schedule: "@daily", or start each run with `dataops run FILE --date 2024-01-31`',
                severity="warning",
                on_key=True,
            )

    def _target_problems(self) -> Iterator[Problem]:
        target, dedup = self.target, self.clean.dedup
        if target.mode == "merge" and not target.keys:
            message = "mode: merge needs the columns that identify a row"
            yield Problem(("target", "mode"), "MERGE_WITHOUT_KEYS", message, "add keys: [id]")
        if target.mode == "replace" and target.keys:
            message = "keys are used by mode: merge only"
            yield Problem(("target", "keys"), "KEYS_WITHOUT_MERGE", message, "add mode: merge", on_key=True)
        if dedup is not None and (dedup.within is None) != (dedup.event_time is None):
            yield Problem(
                ("clean", "dedup"),
                "DEDUP_WATERMARK",
                "within and event_time belong together: the watermark, and the column it is measured on",
                "add event_time: <column>" if dedup.event_time is None else "add within: 10 minutes",
                on_key=True,
            )
        if self.source.path.rstrip("/") == target.path.rstrip("/"):
            message = "the target is the source: a run would read what it wrote"
            yield Problem(("target", "path"), "TARGET_IS_SOURCE", message, "write another path")

    def _gate_problems(self) -> Iterator[Problem]:
        bronze, silver = self.quality.bronze, self.quality.silver
        for name, gate in (("bronze", bronze), ("silver", silver)):
            if gate is not None and gate.suite is None and not gate.rules:
                hint = "add rules: [{not_null: id}] or suite: suites/x.json"
                yield Problem(
                    ("quality", name), "GATE_WITHOUT_RULES", f"quality.{name} checks nothing", hint, on_key=True
                )
        if bronze and bronze.max_quarantine_ratio < 1 and bronze.on_failure != "quarantine":
            yield Problem(
                ("quality", "bronze", "max_quarantine_ratio"),
                "RATIO_WITHOUT_QUARANTINE",
                f"max_quarantine_ratio limits on_failure: quarantine; on_failure is {bronze.on_failure}",
                "write on_failure: quarantine",
                on_key=True,
            )


SPEC = BronzeToSilverSpec

EXAMPLE = """\
# {name}: bronze -> silver. Every key is explained by `dataops explain bronze_to_silver`.
version: 1
kind: bronze_to_silver
name: {name}                 # equals the file's name
schedule: "@daily"           # cron, a preset, {assets: [...]}, or null
start_date: 2024-01-01

# ${lake} is the lake of the target in dataops.yaml.
source: {path: "${lake}/bronze/{name}", format: csv, types: {id: bigint, amount: double, ordered_at: timestamp}}
target: {path: "${lake}/silver/{name}", format: parquet}
full: true                   # or window: {column: ordered_at}, or a path such as ${lake}/bronze/{name}/day=${run.date}

columns:
  email: {tags: [email]}     # masked as dataops.yaml says

clean:
  trim: [email]
  drop_nulls: [ordered_at]
  keep_if: ["amount > 0"]    # SQL boolean expressions
  dedup: {keys: [id], keep: last, order_by: [ordered_at]}

quality:
  bronze:                    # bad rows are put aside with the reason for each
    rules:
      - not_null: id
      - between: [amount, 0, 100000]
    on_failure: quarantine
    max_quarantine_ratio: 0.5
  silver:                    # a failure here publishes nothing
    rules:
      - unique: id
      - row_count: {min: 1}
    on_failure: fail

alerts: {critical: pager, warning: chat}
"""
"""A pipeline that runs at once on :data:`SAMPLE`; ``{name}`` stands for its name."""

SAMPLE = {
    "lake/bronze/{name}/sample.csv": """\
id,email,amount,ordered_at
1,ada@example.com,19.90,2024-01-01 08:00:00
2,ben@example.com,5.00,2024-01-01 09:30:00
2,ben@example.com,7.50,2024-01-01 09:45:00
3,cleo@example.com,-1.00,2024-01-01 10:00:00
,dan@example.com,12.00,2024-01-01 11:00:00
5,eve@example.com,42.00,
6,fay@example.com,3.20,2024-01-01 12:15:00
"""
}
"""Files below the project's folder -> their text."""

__all__ = ["EXAMPLE", "SAMPLE", "SPEC", "BronzeToSilverSpec", "Column", "Gate", "Page", "Quality", "SilverGate"]
