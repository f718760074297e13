# SPDX-License-Identifier: Apache-2.0
"""A check that means something: well typed, and within all rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from airflow_dataops.core import checked
from airflow_dataops.core.checked import Fault, broken
from airflow_dataops.core.kafka_health.rules import broken_rules
from airflow_dataops.core.kafka_health.spec import CheckParts

RULES_BROKEN = "kafka_check_rules"
INVALID = "KAFKA_CHECK_INVALID"


class HealthCheck(CheckParts):
    """What is checked of a consumer group.

    Raises:
        pydantic.ValidationError: A value is of the wrong type, or (``kafka_check_rules``, all of them in its context's ``faults``) out of
            bounds or at odds with another one.
    """

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> HealthCheck:
        faults = broken_rules(self)
        if faults:
            raise broken(faults, RULES_BROKEN)
        return self


def faults_of(document: Mapping[str, Any]) -> list[Fault]:
    """Return all that is wrong with the document of a :class:`HealthCheck`; see :func:`~airflow_dataops.core.checked.faults_of`."""
    return checked.faults_of(HealthCheck, document, RULES_BROKEN)


def parse(document: Mapping[str, Any]) -> HealthCheck:
    """Return the check that ``document`` describes.

    Raises:
        SpecError: Something is wrong; ``details["faults"]`` lists it all (``KAFKA_CHECK_INVALID``).
    """
    return checked.parse(HealthCheck, document, RULES_BROKEN, INVALID)


__all__ = ["HealthCheck", "faults_of", "parse"]
