# SPDX-License-Identifier: Apache-2.0
"""Kind ``gpu_metadata``: drain a topic of extracted metadata into a store and an archive, once and only once, and prove it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata.transforms import Transforms, TransformSpec
from airflow_dataops.core.metadata.wire import COLLECTION, GROUP, TOPIC
from dag_factories.references import PATH_KINDS, ReferenceKind
from dag_factories.specs.arguments import AuthorModel
from dag_factories.specs.base import PipelineSpec, Problem
from dag_factories.specs.bronze_to_silver import Page
from dag_factories.specs.limits import Limits
from dag_factories.specs.values import Seconds

DEAD = ".dead"


class LagLimits(AuthorModel):
    """From which number of waiting records on it is a finding.

    Attributes:
        warning: More than so many are a warning.
        critical: More than so many are critical.
    """

    warning: int | None = Field(default=None, ge=0)
    critical: int | None = Field(default=None, ge=0)


class AgeLimits(AuthorModel):
    """From which age of the first waiting record on it is a finding.

    Attributes:
        warning: Older is a warning.
        critical: Older is critical.
    """

    warning: Seconds | None = None
    critical: Seconds | None = None


class GroupHealth(AuthorModel):
    """What is checked of the consumer group before anything is drained. Lost records and a topic that was made anew always are.

    Attributes:
        lag: Limits of each partition's lag.
        total_lag: Limits of the lag of all partitions together.
        delay: Limits of how long the first record of a partition has waited; by default nothing is too late.
        require_members: Whether the group must have members; false for one that only these runs read.
        require_commits: Whether the group must have committed; false for one that is yet to begin.
        on_unknown: What happens where brokers do not answer: ``fail`` (another try follows), ``warn`` or ``skip``.
    """

    lag: LagLimits = LagLimits()
    total_lag: LagLimits = LagLimits()
    delay: AgeLimits = AgeLimits()
    require_members: bool = False
    require_commits: bool = False
    on_unknown: Literal["fail", "warn", "skip"] = "fail"


class DrainedGate(AuthorModel):
    """A check of the run's records, after they were stored.

    Attributes:
        suite: Path of a Great Expectations suite (JSON), relative to ``dataops.yaml``.
        rules: Rules in the short form, after those of the suite. Columns are ``partition``, ``offset``, ``record_time``, ``status``
            (``stored`` or ``dead``), ``reason``, ``event_key``, ``extracted_at``, ``notebook``, ``accelerator``, ``model``,
            ``model_version``, ``uri``, ``checksum``, ``size``, ``media_type``, and the counts ``images``, ``logs`` and ``metrics``.
        columns: Further columns -> path in the event: ``{team: extracted.attributes.team}``; they are texts.
        on_failure: ``fail`` fails the run when a critical rule does not hold; ``warn`` says so. What is stored stays stored.
        examples: Bad rows a rule that the page shows.
    """

    suite: str | None = None
    rules: list[dict[str, Any]] = []
    columns: dict[str, str] = {}
    on_failure: Literal["fail", "warn"] = "fail"
    examples: int = Field(default=5, ge=0, le=50)


class DrainedQuality(AuthorModel):
    """The checks.

    Attributes:
        drained: Check of the run's records.
    """

    drained: DrainedGate | None = None


class Comparison(AuthorModel):
    """How topic, store and archive are compared.

    Attributes:
        scope: ``run``: the records of this run; ``all``: all that there is, which reads the whole topic and archive.
        on_difference: ``fail`` or ``warn``.
    """

    scope: Literal["run", "all"] = "run"
    on_difference: Literal["fail", "warn"] = "fail"


class GpuMetadataSpec(PipelineSpec):
    """Drain a topic of extracted metadata into a store and an archive, once and only once, and prove it.

    On a target without a section ``metadata`` the same steps run on files of this machine, with nothing installed.

    Attributes:
        topic: Topic of the events.
        group: Consumer group whose commits say how far they are stored.
        dead_topic: Topic of the records that cannot be taken; ``<topic>.dead`` without it.
        collection: Collection of the store.
        archive: Folder or URI of the archive of raw and enriched records, as Parquet by date and hour; null for none.
        inbox: Of a target without servers: folder of files with an event a line (``*.jsonl``), each posted once.
        transforms: What is made of an event before it is stored.
        health: What is checked of the consumer group.
        quality: Checks of what was drained.
        reconcile: How topic, store and archive are compared.
        round_trip: Whether a marked event is posted, awaited in store and archive, and removed again.
        on_data_loss: ``fail`` where records were deleted before they were read; ``accept`` goes on without them.
        resources: Limits of each job's process.
        report: The result page.
    """

    REFERENCES: ClassVar[Mapping[str, frozenset[ReferenceKind]]] = {
        **PipelineSpec.REFERENCES,
        "archive": PATH_KINDS,
        "inbox": PATH_KINDS,
        "resources.spill_dir": frozenset({"env", "var"}),
    }

    kind: Literal["gpu_metadata"]
    topic: str = Field(default=TOPIC, pattern=r"^[A-Za-z0-9._-]{1,244}$")
    group: str = Field(default=GROUP, min_length=1, max_length=255)
    dead_topic: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,249}$")
    collection: str = Field(default=COLLECTION, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")
    archive: str | None = "${lake}/archive/gpu_metadata"
    inbox: str | None = None
    transforms: TransformSpec = TransformSpec()
    health: GroupHealth = GroupHealth()
    quality: DrainedQuality = DrainedQuality()
    reconcile: Comparison = Comparison()
    round_trip: bool = True
    on_data_loss: Literal["fail", "accept"] = "fail"
    resources: Limits = Limits()
    report: Page = Page()

    @property
    def dead(self) -> str:
        """Topic of the dead letters."""
        return self.dead_topic or f"{self.topic}{DEAD}"

    def problems(self) -> list[Problem]:
        """Return what contradicts itself: topics, limits, steps, a check without rules."""
        return [*super().problems(), *self._problems()]

    def _problems(self) -> Iterator[Problem]:
        if self.dead == self.topic:
            message = f"dead letters would go to the topic that they come from, {self.topic!r}"
            yield Problem(("dead_topic",), "SAME_TOPIC", message, f"write dead_topic: {self.topic}{DEAD}")
        for name in ("lag", "total_lag", "delay"):
            limits = getattr(self.health, name)
            if None not in (limits.warning, limits.critical) and limits.critical < limits.warning:
                message = "critical is reached before warning, which is then never told"
                yield Problem(
                    ("health", name, "critical"), "LIMITS_CROSSED", message, "write the larger one under critical"
                )
        gate = self.quality.drained
        if gate is not None and gate.suite is None and not gate.rules:
            hint = "add rules: [{not_null: model}] or suite: suites/x.json"
            yield Problem(
                ("quality", "drained"), "GATE_WITHOUT_RULES", "quality.drained checks nothing", hint, on_key=True
            )
        try:
            Transforms(self.transforms)
        except SpecError as error:
            yield Problem(("transforms", "steps"), "BAD_TRANSFORM", error.message, error.hint, on_key=True)


SPEC = GpuMetadataSpec

EXAMPLE = """\
# {name}: metadata of a GPU notebook -> store and archive. Every key is explained by `dataops explain gpu_metadata`.
version: 1
kind: gpu_metadata
name: {name}                 # equals the file's name
schedule: "*/15 * * * *"
start_date: 2024-01-01

# topic: gpu-metadata        # a target with servers says where Kafka and the store are: `dataops explain project.targets.metadata`
inbox: "${lake}/inbox/{name}"                 # without servers: each *.jsonl file here is posted once
archive: "${lake}/archive/{name}"

transforms:                  # what is made of an event before it is stored; raise revision when the steps change
  revision: 1
  steps:
    - {name: team, default: {extracted.attributes.team: vision}}
    - {name: size, derive: {extracted.attributes.kib: "round(object.size / 1024, 1)"}}

quality:
  drained:                   # of the run's records, after they were stored
    columns: {team: extracted.attributes.team}
    rules:
      - not_null: team
      - between: [size, 1, 100000000]
      - in_set: [status, [stored]]
    on_failure: warn

alerts: {critical: pager, warning: chat}
"""
"""A pipeline that runs at once on :data:`SAMPLE`; ``{name}`` stands for its name."""


def _line(number: int) -> str:
    event = {
        "schema_version": "v1",
        "source": {
            "notebook": "vision.ipynb",
            "accelerator": {"kind": "gpu" if number % 3 else "cpu"},
            "model": {"name": "resnet50", "version": "2"},
        },
        "object": {
            "uri": f"s3://raw/images/{number:04d}.png",
            "checksum": f"sha256:{number:064x}",
            "size": 20_000 + number * 137,
            "media_type": "image/png",
        },
        "extracted": {
            "images": [{"width": 640, "height": 480, "labels": [{"name": "cat", "score": 0.9}]}],
            "metrics": [{"name": "seconds", "value": number / 100}],
        },
        "extracted_at": f"2024-01-01T08:{number:02d}:00Z",
    }
    return json.dumps(event) + "\n"


SAMPLE = {
    "lake/inbox/{name}/sample.jsonl": "".join(map(_line, range(1, 25)))
    + '{"schema_version": "v1", "source": "no event, and told as such"}\n'
}
"""Files below the project's folder -> their text."""

__all__ = ["EXAMPLE", "SAMPLE", "SPEC", "Comparison", "DrainedGate", "DrainedQuality", "GpuMetadataSpec", "GroupHealth"]
