# SPDX-License-Identifier: Apache-2.0
"""Rate cards: files with prices, which targets name."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from pydantic import Field

from airflow_dataops.core.dataproc_dask.budget import MachineRate, RateCard
from airflow_dataops.core.errors import SpecError
from dag_factories.check.structure import validate
from dag_factories.project import Project
from dag_factories.reader import Document, read
from dag_factories.specs.arguments import AuthorModel
from dag_factories.specs.base import Problem
from dag_factories.specs.values import Price, Seconds


class RateCardFile(AuthorModel):
    """Prices of one region. Nobody keeps them up to date but you, so the file says of which day they are.

    Attributes:
        version: Version of the file's format.
        kind: Tells the file from a pipeline.
        currency: ``USD``.
        as_of: Day on which the prices were looked up.
        machines: Machine type -> its vCPUs and prices.
        dataproc_vcpu_hour: Dataproc's own price of a vCPU-hour.
        disk_gb_month: Disk type -> price of a GB-month.
        local_ssd_gb_month: Price of a GB-month of local SSD.
        hours_per_month: Hours by which a month's price is divided.
        minimum: Shortest time that is billed.
    """

    version: Literal[1]
    kind: Literal["rate_card"]
    currency: str
    as_of: date | None = None
    machines: dict[str, MachineRate]
    dataproc_vcpu_hour: Price
    disk_gb_month: dict[str, Price]
    local_ssd_gb_month: Price | None = None
    hours_per_month: int = Field(default=730, ge=1)
    minimum: Seconds = 60

    def card(self) -> RateCard:
        """Return the card as the core counts with it."""
        return RateCard.model_validate(self.given(without={"version", "kind"}))


class ReadCard(NamedTuple):
    """A rate card that was read.

    Attributes:
        card: The prices; None where the file is wrong.
        document: The file as it was read.
        problems: What is wrong in it, with their places in the file.
    """

    card: RateCard | None
    document: Document
    problems: list[Problem]


def read_card(project: Project, name: str, shown: str) -> ReadCard:
    """Return a rate card.

    Args:
        project: The project.
        name: Path of the file from the project's folder.
        shown: What findings call it.

    Raises:
        SpecError: It lies outside of the project's folder (``PATH_OUTSIDE``), or is not there (``FILE_MISSING``).
    """
    path = project.file_path(name)
    document = read(path, shown)
    if document.findings and not document.text:
        finding = document.findings[0]
        hint = "write its path from the folder of dataops.yaml"
        raise SpecError(f"{name}: {finding.message}", hint=hint, code=finding.code)
    if document.findings or not document.data:
        return ReadCard(None, document, [])
    checked = validate(RateCardFile, document.data)
    card = checked.model.card() if checked.model is not None and not checked.problems else None
    return ReadCard(card, document, checked.problems)
