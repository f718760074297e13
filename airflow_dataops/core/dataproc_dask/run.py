# SPDX-License-Identifier: Apache-2.0
"""A run that Google would take: well typed, and within all rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from airflow_dataops.core import checked
from airflow_dataops.core.checked import Fault, broken
from airflow_dataops.core.dataproc_dask.rules import broken_rules
from airflow_dataops.core.dataproc_dask.spec import RunParts

RULES_BROKEN = "dask_run_rules"
INVALID = "DASK_RUN_INVALID"


class DaskRun(RunParts):
    """A cluster, what runs on it (None where other tasks bring their jobs), and the policy.

    Raises:
        pydantic.ValidationError: A value is of the wrong type, or (``dask_run_rules``, all of them in its context's ``faults``) out of the
            bounds of the API or at odds with another one.
    """

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> DaskRun:
        faults = broken_rules(self)
        if faults:
            raise broken(faults, RULES_BROKEN)
        return self


def faults_of(document: Mapping[str, Any]) -> list[Fault]:
    """Return all that is wrong with the document of a :class:`DaskRun`; see :func:`~airflow_dataops.core.checked.faults_of`."""
    return checked.faults_of(DaskRun, document, RULES_BROKEN)


def parse(document: Mapping[str, Any]) -> DaskRun:
    """Return the run that ``document`` describes.

    Raises:
        SpecError: Something is wrong; ``details["faults"]`` lists it all (``DASK_RUN_INVALID``).
    """
    return checked.parse(DaskRun, document, RULES_BROKEN, INVALID)


def parse_parts(document: Mapping[str, Any]) -> RunParts:
    """Return what ``document`` asks for, which may break rules: for who wants to tell them together with more.

    Raises:
        SpecError: A value is of the wrong type, or a key unknown; ``details["faults"]`` lists them all (``DASK_RUN_INVALID``).
    """
    return checked.parse(RunParts, document, RULES_BROKEN, INVALID)
