# SPDX-License-Identifier: Apache-2.0
"""Which drivers and SparkApplications of this Airflow nobody waits for any more.

Whether a run still goes on is not asked for: Airflow's database is not for a task to read. What is looked at is the object: its labels, how
it is, and the annotations that say how long it may take and how long it is to be kept. What it owns goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from airflow_dataops.core import janitor
from airflow_dataops.core.durations import Duration
from airflow_dataops.core.janitor import length
from airflow_dataops.core.model import Model
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application_state import Stage


class Verdict(StrEnum):
    """Why an object is deleted or left alone."""

    FOREIGN = "FOREIGN"  # not ours: never touched
    OWNED = "OWNED"  # an operator's driver: it goes with its SparkApplication
    IN_USE = "IN_USE"
    KEPT = "KEPT"  # it has ended, and stays for a look, or for a try that takes its success over
    EXPIRED = "EXPIRED"  # it has ended, and its time is over
    ORPHANED = "ORPHANED"  # it has not ended, and no run waits for so long
    DELETING = "DELETING"
    STUCK = "STUCK"  # being deleted for too long: reported


class Candidate(Model):
    """A driver pod or a SparkApplication.

    Attributes:
        kind: ``pods`` or ``sparkapplications``.
        group: ``v1``, or group and version of the application.
        name: Its name.
        uid: Its UID, by which it is deleted.
        labels: Its labels.
        annotations: Its annotations.
        owner: Name of the SparkApplication that it belongs to; empty where it belongs to none.
        stage: How far it is.
        created_at: When it was made.
        ended_at: When it ended; None while it has not, or where nobody says.
        deleting_since: When its deletion was asked for.
    """

    kind: str
    group: str
    name: str
    uid: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner: str = ""
    stage: Stage
    created_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    deleting_since: AwareDatetime | None = None


class JanitorPolicy(Model):
    """How long the janitor waits.

    Attributes:
        instance: Name of the Airflow installation whose drivers are looked after.
        grace: What has not ended is left for so long after all that its policy allows it.
        keep_failed: A failed one that does not say how long it is to be kept stays for so long.
        keep_succeeded: One that succeeded, and that its task has not deleted, stays for a next try for so long.
        stuck_after: A deletion that takes longer is reported.
        lifetime: How long one may take that does not say so.
    """

    instance: str
    grace: Duration = timedelta(minutes=15)
    keep_failed: Duration = timedelta(hours=1)
    keep_succeeded: Duration = timedelta(days=1)
    stuck_after: Duration = timedelta(minutes=30)
    lifetime: Duration = timedelta(days=7)


class Finding(janitor.Finding):
    """The janitor's decision on one object; ``delete`` goes by UID."""

    kind: str
    group: str
    uid: str
    verdict: Verdict


def sweep(candidates: Iterable[Candidate], policy: JanitorPolicy, now: datetime) -> list[Finding]:
    """Return a finding for each object, in their order.

    Args:
        candidates: Driver pods and SparkApplications of a namespace, listed by ``managed-by`` or all of them.
        policy: Whose, and how patiently.
        now: The time.
    """
    return [_judge(one, policy, now) for one in candidates]


def _judge(one: Candidate, policy: JanitorPolicy, now: datetime) -> Finding:
    own = {names.MANAGED_BY: names.MANAGER, names.INSTANCE: names.label_value(policy.instance)}
    if not names.owns(one.labels, own) or names.attempt_of(one.labels) == 0:
        return _finding(one, Verdict.FOREIGN, "not made by this Airflow")
    if one.deleting_since is not None:
        since = now - one.deleting_since
        stuck = since >= policy.stuck_after
        return _finding(one, Verdict.STUCK if stuck else Verdict.DELETING, f"being deleted for {length(since)}")
    if one.owner:
        return _finding(one, Verdict.OWNED, f"it goes with SparkApplication {one.owner}")
    made = one.created_at or now
    if one.stage in (Stage.SUCCEEDED, Stage.FAILED):
        return _ended(one, policy, now, now - (one.ended_at or made))
    may = seconds_of(one.annotations, names.LIFETIME) or policy.lifetime
    age = now - made
    if age >= may + policy.grace:
        text = f"{one.stage} after {length(age)}, and its run has waited for {length(may)} at most"
        return _finding(one, Verdict.ORPHANED, text, delete=True)
    return _finding(one, Verdict.IN_USE, f"{one.stage} for {length(age)}, of {length(may)}")


def _ended(one: Candidate, policy: JanitorPolicy, now: datetime, since: timedelta) -> Finding:
    said = seconds_of(one.annotations, names.KEEP)
    failed = one.stage is Stage.FAILED
    keep = (policy.keep_failed if said is None else said) if failed else policy.keep_succeeded
    text = f"{one.stage} for {length(since)}"
    if since >= max(keep, policy.grace):  # its own task deletes it at once where it is not to be kept
        return _finding(one, Verdict.EXPIRED, text, delete=True)
    until = now - since + max(keep, policy.grace)
    return _finding(one, Verdict.KEPT, f"{text}; stays until {until:%Y-%m-%d %H:%M:%S} UTC")


def seconds_of(annotations: Mapping[str, str], name: str) -> timedelta | None:
    """Return the length of time of an annotation of ours; None where it has none."""
    text = annotations.get(f"{names.ANNOTATIONS}{name}", "")
    return timedelta(seconds=int(text)) if text.isdecimal() and len(text) < 10 else None


def _finding(one: Candidate, verdict: Verdict, why: str, *, delete: bool = False) -> Finding:
    return Finding(kind=one.kind, group=one.group, name=one.name, uid=one.uid, verdict=verdict, delete=delete, text=why)
