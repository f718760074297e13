# SPDX-License-Identifier: Apache-2.0
"""The janitor's hands in a namespace: it lists what this Airflow made, and deletes by UID what nobody waits for any more."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from airflow_dataops.clients import sweeping
from airflow_dataops.clients.spark_k8s.client import CORE, SparkKubeClient
from airflow_dataops.clients.spark_k8s.convert import application_view, ended_at, pod_view
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.kube_asking import rule_of
from airflow_dataops.core.preflight.spark_rights import application_right
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.janitor import Candidate, Finding, JanitorPolicy, sweep
from airflow_dataops.core.spark_k8s.spec import ApplicationApi

_ABSENT, _FORBIDDEN = "NOT_FOUND", "FORBIDDEN"  # of a kind: it is not installed; it may be, and is not ours to look at


class SweepError(DataOpsError):
    """The driver pods of a namespace cannot be listed."""

    default_code = "JANITOR_BLIND"


class Swept(sweeping.Swept):
    """What was done about one object."""

    finding: Finding


class SweepReport(sweeping.Report):
    """One sweep of a namespace.

    Attributes:
        namespace: Namespace.
        objects: What was found and done, applications first.
        blind: APIs of SparkApplications that could not be listed although they are there, each with why.
        unlisted: APIs of SparkApplications that may not be listed and that nobody is known to use, each with the rule that mends it.
    """

    area: ClassVar[str] = "spark_k8s"

    namespace: str
    objects: tuple[Swept, ...] = ()
    blind: dict[str, str] = {}
    unlisted: dict[str, str] = {}

    @property
    def warning(self) -> str:
        """The line that says what may not be listed; empty where all may."""
        if not self.unlisted:
            return ""
        told = "; ".join(f"{api}: {why}" for api, why in self.unlisted.items())
        return f"SparkApplications are not looked at, which is right where no run has mode crd: {told}"

    @property
    def swept(self) -> tuple[Swept, ...]:
        """What was found and done."""
        return self.objects

    @property
    def ok(self) -> bool:
        """True where every request was taken, everything could be listed, and no deletion is stuck."""
        return super().ok and not self.blind


async def sweep_namespace(
    client: SparkKubeClient,
    policy: JanitorPolicy,
    *,
    now: datetime,
    dry_run: bool = False,
    used: Collection[str] = (),
) -> SweepReport:
    """Look at the drivers of one Airflow in the client's namespace, and delete those that the core condemns.

    A request to delete is sent once; where it fails, the next sweep sends it again. It takes a list of the pods and one for each of the two
    kinds of SparkApplications, and one call for each deletion.

    Args:
        client: Sends and lists.
        policy: Whose drivers, and how patiently.
        now: The time.
        dry_run: Say what would be deleted, and delete nothing.
        used: APIs of SparkApplications that are known to be used: one of them that may not be listed is an error, not a warning. So is
            one that owns a driver which was found.

    Raises:
        SweepError: The pods cannot be listed.
        MissingDependency: What is needed to reach Kubernetes is not installed.
    """
    own = {names.MANAGED_BY: names.MANAGER, names.INSTANCE: names.label_value(policy.instance)}
    found, errors = await _applications(client, names.selector(own))
    pods = await client.pages("pods", {"labelSelector": names.selector({**own, names.ROLE: names.DRIVER})})
    if isinstance(pods, CallError):
        raise SweepError(
            f"the pods of namespace {client.settings.namespace} cannot be listed: {pods.code} {pods.message}",
            hint="the account needs the role airflow of docs/how-to/spark_k8s.md in that namespace",
        )
    found += [_pod(document) for document in pods]
    unlisted = _unlisted(errors, {*map(_group, used), *_owning(pods)})

    async def delete(finding: Finding) -> Any:
        return await client.delete(finding.kind, finding.name, uid=finding.uid, group=finding.group)

    # After a conflict another one bears its name.
    swept = await sweeping.perform(
        sweep(found, policy, now), delete, Swept, gone=("NOT_FOUND", "CONFLICT"), dry_run=dry_run
    )
    namespace = client.settings.namespace
    told = {api: _told(api, error) for api, error in errors.items()}
    return SweepReport(
        namespace=namespace,
        at=now,
        dry_run=dry_run,
        objects=swept,
        blind={api: why for api, why in told.items() if api not in unlisted},
        unlisted={api: told[api] for api in unlisted},
    )


async def _applications(client: SparkKubeClient, selector: str) -> tuple[list[Candidate], dict[str, CallError]]:
    """Return the SparkApplications of all APIs, and why those of some could not be listed; what is not installed has none."""
    found: list[Candidate] = []
    errors: dict[str, CallError] = {}
    for api in ApplicationApi:
        listed = await client.pages("sparkapplications", {"labelSelector": selector}, group=api.value)
        if not isinstance(listed, CallError):
            found += [_application(document, api.value) for document in listed]
        elif listed.code != _ABSENT:
            errors[api.value] = listed
    return found, errors


def _unlisted(errors: Mapping[str, CallError], used: Collection[str]) -> list[str]:
    """Return the APIs that may not be listed, of groups that nobody is known to use."""
    return [api for api, error in errors.items() if error.code == _FORBIDDEN and _group(api) not in used]


def _owning(pods: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the groups whose objects own a pod."""
    owners = (one for pod in pods for one in pod["metadata"].get("ownerReferences") or ())
    return {_group(one.get("apiVersion", "")) for one in owners}


def _group(api: str) -> str:
    return api.partition("/")[0]


def _told(api: str, error: CallError) -> str:
    said = f"{error.code}: {error.message}"
    if error.code != _FORBIDDEN:
        return said
    rule = json.dumps(rule_of(application_right(api)))
    return f"{said}; add to the rules of the role of Airflow's account: {rule}"


def _pod(document: Mapping[str, Any]) -> Candidate:
    view = pod_view(document)
    ends = [box.finished_at for box in view.containers if box.finished_at is not None]
    return Candidate(
        kind="pods",
        group=CORE,
        name=view.name,
        uid=view.uid,
        labels=view.labels,
        annotations=_annotations(document),
        owner=view.owner,
        stage=view.stage,
        created_at=view.created_at,
        ended_at=max(ends, default=None),
        deleting_since=view.deleting_since,
    )


def _application(document: Mapping[str, Any], group: str) -> Candidate:
    view = application_view(document)
    return Candidate(
        kind="sparkapplications",
        group=group,
        name=view.name,
        uid=view.uid,
        labels=view.labels,
        annotations=_annotations(document),
        stage=view.stage,
        created_at=view.created_at,
        ended_at=ended_at(document),
        deleting_since=view.deleting_since,
    )


def _annotations(document: Mapping[str, Any]) -> dict[str, str]:
    return dict(document["metadata"].get("annotations") or {})


__all__ = ["SweepError", "SweepReport", "Swept", "sweep_namespace"]
