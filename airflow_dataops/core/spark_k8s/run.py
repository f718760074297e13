# SPDX-License-Identifier: Apache-2.0
"""A run that Spark and Kubernetes would take: well typed, and within all rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from airflow_dataops.core import checked
from airflow_dataops.core.checked import Fault, broken
from airflow_dataops.core.spark_k8s.rules import broken_rules
from airflow_dataops.core.spark_k8s.spec import RunParts

RULES_BROKEN = "spark_run_rules"
INVALID = "SPARK_RUN_INVALID"


class SparkRun(RunParts):
    """A program, where it runs, and the policy.

    Raises:
        pydantic.ValidationError: A value is of the wrong type, or (``spark_run_rules``, all of them in its context's ``faults``) out of the
            bounds of Kubernetes or Spark, at odds with another one, or a secret where none may stand. It never shows what was given.
    """

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> SparkRun:
        faults = broken_rules(self)
        if faults:
            raise broken(faults, RULES_BROKEN)
        return self


def faults_of(document: Mapping[str, Any]) -> list[Fault]:
    """Return all that is wrong with the document of a :class:`SparkRun`; see :func:`~airflow_dataops.core.checked.faults_of`."""
    return checked.faults_of(SparkRun, document, RULES_BROKEN)


def parse(document: Mapping[str, Any]) -> SparkRun:
    """Return the run that ``document`` describes.

    Raises:
        SpecError: Something is wrong; ``details["faults"]`` lists it all (``SPARK_RUN_INVALID``).
    """
    return checked.parse(SparkRun, document, RULES_BROKEN, INVALID)


def parse_parts(document: Mapping[str, Any]) -> RunParts:
    """Return what ``document`` asks for, which may break rules: for who wants to tell them together with more.

    Raises:
        SpecError: A value is of the wrong type, or a key unknown; ``details["faults"]`` lists them all (``SPARK_RUN_INVALID``).
    """
    return checked.parse(RunParts, document, RULES_BROKEN, INVALID)
