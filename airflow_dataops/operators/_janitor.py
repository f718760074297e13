# SPDX-License-Identifier: Apache-2.0
"""What the janitors of all areas share: their policy as authors write it, and what is told of a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowFailException, Stats

if TYPE_CHECKING:
    from pydantic import BaseModel

    PolicyT = TypeVar("PolicyT", bound=BaseModel)


def policy_of(operator: Any, kind: type[PolicyT], lengths: Sequence[str]) -> PolicyT:
    """Return the policy that an operator's arguments describe.

    Args:
        operator: Has ``instance``, and an attribute for each length of time.
        kind: The area's policy.
        lengths: Names of the lengths of time.

    Raises:
        AirflowFailException: An argument is not valid (``JANITOR_INVALID``); every fault is told.
    """
    from pydantic import ValidationError

    from airflow_dataops.operators._identity import instance_name

    values = {name: getattr(operator, name) for name in lengths}
    try:
        return kind.model_validate({"instance": instance_name(operator.instance), **values})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise AirflowFailException(f"JANITOR_INVALID: {faults}") from error


def tell(operator: Any, metric: str, swept: Iterable[Any], alert_line: str) -> None:
    """Count what was found and done under a metric, and write a line of each into the log, the one for alerts last."""
    for one in swept:
        found = one.finding
        Stats.incr(metric, tags={"verdict": found.verdict.value, "done": one.done})
        operator.log.info("%s %s: %s; %s", found.verdict, found.name, found.text, one.error or one.done)
    operator.log.info(alert_line)


def counted(swept: Iterable[Any]) -> dict[str, int]:
    """Return verdict -> how many of them there are."""
    counts: dict[str, int] = {}
    for one in swept:
        counts[one.finding.verdict.value] = counts.get(one.finding.verdict.value, 0) + 1
    return counts
