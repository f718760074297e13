# SPDX-License-Identifier: Apache-2.0
"""A pipeline whose steps run as jobs on a Dask cluster: what does not reach the cluster, and a target that does not say which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from airflow_dataops.core.dataproc_dask.budget import worst_case
from airflow_dataops.core.dataproc_dask.rules import broken_rules
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.secrets import parse
from airflow_dataops.core.tables import MaskSpec
from dag_factories import dask
from dag_factories.check.context import Context
from dag_factories.project import Target
from dag_factories.specs.base import Path, Problem
from dag_factories.specs.bronze_to_silver import BronzeToSilverSpec
from dag_factories.specs.dask import DaskTarget

_ADDRESS = "://"


def check(context: Context) -> Iterator[Problem]:
    """Yield what is wrong with a pipeline on a target with clusters."""
    spec, target = context.spec, context.target
    if not isinstance(spec, BronzeToSilverSpec) or target is None:
        return
    yield from _secrets(context, spec)
    if "${" not in target.lake and _ADDRESS not in target.lake and not _is_shared(target):
        message = f"the lake of target {target.name!r} is a folder, and the machines of the cluster mount none"
        hint = "write lake: gs://BUCKET, or let each machine mount the folder: nfs"
        yield Problem(("kind",), "LAKE_NOT_SHARED", message, hint, severity="warning")
    try:
        config = dask.dataproc(spec, target)
    except SpecError as error:
        if error.code == "UNKNOWN_SHAPE":  # all else is told where the plan is made
            yield Problem(("kind",), error.code, error.message, error.hint)
        return
    yield from _cost(context, dask.parts_of(spec, target, None), config)


def _cost(context: Context, parts: RunParts, config: DaskTarget) -> Iterator[Problem]:
    severity: Literal["error", "warning"] = "error" if parts.policy.over_budget == "fail" else "warning"
    if config.rate_card is None and parts.policy.budget is not None:
        message = f"the target's budget of {parts.policy.budget} cannot be held: it has no rate_card"
        hint = "add to the target: dask: {rate_card: rates.yaml}"
        yield Problem(("kind",), "RATES_MISSING", message, hint, severity=severity)
    card = context.project.rate_cards.get(config.rate_card or "")
    if card is None or broken_rules(parts):
        return  # the target's own checks tell it
    try:
        estimate = worst_case(DaskRun.model_validate(parts.model_dump()), card)
    except SpecError as error:
        hint = error.hint or f"add its price to {config.rate_card}"
        severity = severity if parts.policy.budget is not None else "warning"
        yield Problem(("kind",), error.code, f"{config.rate_card}: {error.message}", hint, severity=severity)
        return
    if estimate.over:
        hint = "shorten deadlines.run of the target's policy, take fewer or smaller machines, or raise its budget"
        yield Problem(("kind",), "OVER_BUDGET", estimate.sentence, hint, severity=severity)


def _secrets(context: Context, spec: BronzeToSilverSpec) -> Iterator[Problem]:
    """Yield salts that only Airflow knows: a job's arguments hold the name of a secret, and its driver looks the value up."""
    central = context.project.spec.masks
    for name, column in spec.columns.items():
        place: Path = ("columns", name, "mask") if column.mask else ("columns", name, "tags")
        mask = column.mask or next((central[tag] for tag in column.tags if tag in central), None)
        if mask is not None and (secret := _of_airflow(mask)):
            message = f"the salt of column {name!r} is ${{{secret}}}, which only Airflow knows; no secret travels to a cluster"
            hint = (
                "write ${env:NAME}, and let an initialization action read the value from Secret Manager, as the account of the machines, "
                "into /etc/spark/conf/spark-env.sh, which the driver's environment comes from"
            )
            yield Problem(place, "SECRET_NOT_ON_CLUSTER", message, hint)


def _of_airflow(mask: MaskSpec) -> str | None:
    if mask.salt is None or parse(mask.salt.secret).kind == "env":
        return None
    return mask.salt.secret


def _is_shared(target: Target) -> bool:
    config = target.config.dask
    return config is not None and any(shape.nfs for shape in (config.cluster, *config.shapes.values()))
