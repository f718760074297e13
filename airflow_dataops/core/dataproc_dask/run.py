# SPDX-License-Identifier: Apache-2.0
"""A run that Google would take: well typed, and within all rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_core import PydanticCustomError

from airflow_dataops.core.dataproc_dask.rules import Fault, broken_rules
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.errors import SpecError

RULES_BROKEN = "dask_run_rules"


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
            listed = "; ".join(f"{fault.path}: {fault.message}" for fault in faults)
            context = {"listed": listed, "faults": [fault.to_dict() for fault in faults]}
            raise PydanticCustomError(RULES_BROKEN, "{listed}", context)
        return self


def faults_of(document: Mapping[str, Any]) -> list[Fault]:
    """Return all that is wrong with the document of a :class:`DaskRun`.

    Values of the wrong type and unknown keys come first; the bounds are looked at when there are none of those.
    """
    try:
        DaskRun.model_validate(document)
    except ValidationError as error:
        return [fault for found in error.errors() for fault in _from_pydantic(found)]
    return []


def parse(document: Mapping[str, Any]) -> DaskRun:
    """Return the run that ``document`` describes.

    Raises:
        SpecError: Something is wrong; ``details["faults"]`` lists it all (``DASK_RUN_INVALID``).
    """
    faults = faults_of(document)
    if not faults:
        return DaskRun.model_validate(document)
    lines = [f"{fault.path}: {fault.message}" for fault in faults]
    raise SpecError(
        "; ".join(lines),
        hint=next((fault.hint for fault in faults if fault.hint), None),
        code="DASK_RUN_INVALID",
        details={"faults": [fault.to_dict() for fault in faults]},
    )


def _from_pydantic(found: Any) -> list[Fault]:
    if found["type"] == RULES_BROKEN:
        return [Fault(**fault) for fault in found["ctx"]["faults"]]
    return [Fault(".".join(str(part) for part in found["loc"]), str(found["type"]).upper(), found["msg"])]
