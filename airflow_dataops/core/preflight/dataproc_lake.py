# SPDX-License-Identifier: Apache-2.0
"""The bucket in which a lake lies: is it there, and may the machines write into it."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_dataops.core.dataproc_dask.spec import ClusterSpec
from airflow_dataops.core.preflight.asking import Answers, Question, holders
from airflow_dataops.core.preflight.findings import Finding, Level

_SCHEME = "gs://"
_ROLE = "roles/storage.objectUser"
_ENOUGH = (_ROLE, "roles/storage.objectAdmin", "roles/storage.admin")
_ENOUGH_IN_PROJECT = (*_ENOUGH, "roles/dataproc.worker")


def lake_questions(cluster: ClusterSpec, lake: str | None) -> list[Question]:
    """Return what has to be asked about a lake; nothing where there is none, or it lies in no bucket of Google's."""
    name = _bucket(lake)
    if name is None:
        return []
    found = [Question("lake", "storage", f"b/{name}", "roles/storage.bucketViewer", cluster.project)]
    if cluster.service_account is not None:
        role = "roles/iam.securityReviewer"
        found.append(Question("lake.policy", "storage", f"b/{name}/iam", role, cluster.project))
    return found


def lake_findings(cluster: ClusterSpec, answers: Answers, lake: str | None) -> Iterator[Finding]:
    """Yield what the answers mean for a lake."""
    name, check = _bucket(lake), "lake.bucket"
    if name is None:
        return
    if answers.missing("lake"):
        fix = f"gcloud storage buckets create gs://{name} --project={cluster.project} --location={cluster.region}"
        fix += " --uniform-bucket-level-access --public-access-prevention"
        message = f"there is no bucket {name}, in which the lake {lake} lies"
        yield Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)
        return
    if answers.get("lake") is None:
        yield answers.unread("lake", check, f"the lake's bucket {name}")
    else:
        yield Finding(check=check, level=Level.OK, message=f"the lake's bucket is there: {name}")
    if cluster.service_account is not None:
        yield _rights(answers, name, cluster.service_account)


def _rights(answers: Answers, name: str, account: str) -> Finding:
    """Judge whether the machines, which read and write the tables, may do it: by roles on the bucket, and in the project that has it."""
    check, member = "lake.rights", f"serviceAccount:{account}"
    policy, project_policy = answers.get("lake.policy"), answers.get("project.policy")
    if policy is not None and member in holders(policy, *_ENOUGH):
        return Finding(check=check, level=Level.OK, message=f"{account} may write into the lake's bucket {name}")
    bucket, project = answers.get("lake"), answers.get("project")
    theirs = bucket and project and str(bucket.get("projectNumber")) == str(project.get("projectNumber"))
    if theirs and project_policy is not None and member in holders(project_policy, *_ENOUGH_IN_PROJECT):
        message = f"{account} may write into the lake's bucket {name}, by a role in the project"
        return Finding(check=check, level=Level.OK, message=message)
    for key in ("lake.policy", "lake", "project", "project.policy"):
        if answers.get(key) is None and (key != "project.policy" or theirs):
            return answers.unread(key, check, f"whether {account} may write into the lake's bucket {name}")
    fix = f"gcloud storage buckets add-iam-policy-binding gs://{name} --member={member} --role={_ROLE}"
    message = f"{account} has no {_ROLE} on the lake's bucket {name}; a role of your own, a group or a condition may give the same"
    return Finding(check=check, level=Level.WARNING, message=message, fix=fix)


def _bucket(lake: str | None) -> str | None:
    name = (lake or "").removeprefix(_SCHEME).partition("/")[0] if (lake or "").startswith(_SCHEME) else ""
    return name if name and "$" not in name else None
