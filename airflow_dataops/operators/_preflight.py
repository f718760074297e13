# SPDX-License-Identifier: Apache-2.0
"""What all tasks that look before a run have in common: what makes one fail, and what it tells."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, Stats

if TYPE_CHECKING:
    from airflow_dataops.core.preflight.findings import Finding, Level

_LOUDNESS = {"ok": logging.INFO, "warning": logging.WARNING, "unknown": logging.WARNING, "problem": logging.ERROR}


def level_of(fail_on: str) -> Level:
    """Return the level from which on a finding makes the task fail.

    Raises:
        AirflowFailException: There is no such level.
    """
    from airflow_dataops.core.preflight.findings import Level

    known = [level.value for level in Level if level is not Level.OK]
    if fail_on not in known:
        raise AirflowFailException(f"PREFLIGHT_INVALID: fail_on is {fail_on!r}; known are {', '.join(known)}")
    return Level(fail_on)


def conclude(operator: Any, context: Any, found: tuple[Finding, ...], level: Level, metric: str) -> dict[str, Any]:
    """Tell each finding; return how many there are by level, and those that are not ``ok``. XCom has it also when the task fails.

    Args:
        operator: Has the log.
        context: Airflow's.
        found: The findings.
        level: What is as bad as that fails.
        metric: Name of the counter.

    Raises:
        AirflowFailException: One is.
    """
    from airflow_dataops.core.preflight.findings import as_bad_as

    _tell(operator, found, metric)
    open_ = [finding.model_dump(mode="json", exclude_defaults=True) for finding in found if finding.level.value != "ok"]
    report = {"levels": _counted(found), "findings": open_}
    bad = as_bad_as(found, level)
    if not bad:
        return report
    context["ti"].xcom_push(key="return_value", value=report)
    remedy = f" -> {bad[0].fix}" if bad[0].fix else " -> apply the YAML in this log" if bad[0].manifests else ""
    counted = f"{len(bad)} of {len(found)} checks found something missing"
    raise AirflowFailException(f"PREFLIGHT_FAILED: {counted}; first {bad[0].check}: {bad[0].message}{remedy}")


def _tell(operator: Any, found: tuple[Finding, ...], metric: str) -> None:
    from airflow_dataops.report.manifests import yaml_of

    for level, count in _counted(found).items():
        Stats.incr(metric, count, tags={"level": level})
    for finding in found:
        remedy = f"\n  -> {finding.fix}" if finding.fix else ""
        if finding.manifests:
            remedy += f"\n  -> kubectl apply --server-side -f - <<'EOF'\n{yaml_of(finding.manifests)}EOF"
        loudness = _LOUDNESS[finding.level.value]
        operator.log.log(loudness, "%s %s: %s%s", finding.level.value, finding.check, finding.message, remedy)


def _counted(found: tuple[Finding, ...]) -> dict[str, int]:
    return dict(Counter(finding.level.value for finding in found))
