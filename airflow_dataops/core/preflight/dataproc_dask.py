# SPDX-License-Identifier: Apache-2.0
"""Is everything there that a Dask cluster on Dataproc needs: what to ask, and what the answers mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from airflow_dataops.core.dataproc_dask.rules import broken_rules
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.dataproc_dask.workflow import workflow_faults
from airflow_dataops.core.preflight.asking import Answers, Question, grant_on_project, holders
from airflow_dataops.core.preflight.dataproc_lake import lake_findings, lake_questions
from airflow_dataops.core.preflight.dataproc_machines import nfs_findings, quota_findings, quota_questions
from airflow_dataops.core.preflight.findings import Finding, Level

Lifecycle = Literal["airflow", "google"]

KMS_ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
WORKER_ROLE = "roles/dataproc.worker"
_AGENTS = {
    "Compute Engine": "service-{}@compute-system.iam.gserviceaccount.com",
    "Cloud Storage": "service-{}@gs-project-accounts.iam.gserviceaccount.com",
    "Dataproc": "service-{}@dataproc-accounts.iam.gserviceaccount.com",
}
_EDITOR = ("roles/owner", "roles/editor")
# A workflow of Google's asks for the cluster and the job itself; what it leaves is looked for, and deleted, like any other.
_ALWAYS = (
    *(f"dataproc.clusters.{verb}" for verb in ("delete", "get", "list")),
    *(f"dataproc.jobs.{verb}" for verb in ("get", "list")),
    "dataproc.operations.get",
)
_BY_LIFECYCLE = {
    "airflow": (
        *(f"dataproc.clusters.{verb}" for verb in ("create", "update", "use")),
        *(f"dataproc.jobs.{verb}" for verb in ("cancel", "create")),
    ),
    "google": ("dataproc.operations.cancel", "dataproc.workflowTemplates.instantiateInline"),
}
_READ = ("storage.objects.get", "storage.objects.list")
_WRITE, _REPLACE = "storage.objects.create", "storage.objects.delete"
_ACT_AS = "iam.serviceAccounts.actAs"


def questions(
    run: RunParts, bucket: str | None = None, lifecycle: Lifecycle = "airflow", lake: str | None = None
) -> tuple[Question, ...]:
    """Return what has to be asked about a run.

    Args:
        run: What is wanted; it may break rules.
        bucket: Bucket of the jobs' documents; None where there is none yet.
        lifecycle: Who makes and deletes the cluster.
        lake: Root of the tables that the machines write; None where the job says itself what it writes.
    """
    cluster = run.cluster
    project = cluster.project
    crm, iam = "cloudresourcemanager", "roles/iam.securityReviewer"
    own = {"permissions": _rights_of(run, lifecycle)}
    found = [
        Question("project", crm, f"projects/{project}", "roles/browser", project),
        Question("project.policy", crm, f"projects/{project}:getIamPolicy", iam, project, {}),
        Question("own", crm, f"projects/{project}:testIamPermissions", "roles/browser", project, own),
        *quota_questions(cluster),
    ]
    if cluster.kms_key is not None:
        key, ring = cluster.kms_key, cluster.kms_key.split("/cryptoKeys/")[0]
        owner = _project_of(key, project)
        found.append(Question("key", "cloudkms", key, "roles/cloudkms.viewer", owner))
        found += [
            Question(name, "cloudkms", f"{place}:getIamPolicy", iam, owner)
            for name, place in (("key.policy", key), ("ring.policy", ring))
        ]
    for name in _buckets(run, bucket):
        rights = "&".join(f"permissions={right}" for right in (_WRITE, *_READ, _REPLACE))
        found.append(
            Question(
                f"bucket:{name}", "storage", f"b/{name}/iam/testPermissions?{rights}", "roles/storage.admin", project
            )
        )
    for uri in _objects(run):
        name, _, path = uri.removeprefix("gs://").partition("/")
        address = f"b/{name}/o/{_escaped(path)}"
        found.append(Question(uri, "storage", address, "roles/storage.objectViewer", project))
    found += lake_questions(cluster, lake)
    if cluster.service_account is not None:
        address = f"projects/-/serviceAccounts/{cluster.service_account}:testIamPermissions"
        body = {"permissions": [_ACT_AS]}
        found.append(Question("act_as", "iam", address, "roles/iam.serviceAccountViewer", project, body))
    return tuple(found)


def findings(
    run: RunParts,
    answers: Answers,
    bucket: str | None = None,
    lifecycle: Lifecycle = "airflow",
    lake: str | None = None,
) -> tuple[Finding, ...]:
    """Return what the answers to :func:`questions` mean, in the order in which it is best mended.

    Args:
        run: The run that was asked about.
        answers: What was found out.
        bucket: As it was asked about.
        lifecycle: As it was asked about.
        lake: As it was asked about.
    """
    found = [*_rules(run, lifecycle), *_own(run, answers, lifecycle), *_act_as(run, answers), *_worker(run, answers)]
    found += [
        *_subnet(run, answers),
        *_key(run, answers),
        *_bucket_findings(run, answers, bucket),
        *lake_findings(run.cluster, answers, lake),
        *_object_findings(run, answers),
    ]
    return (*found, *quota_findings(run.cluster, answers), *nfs_findings(run.cluster, answers))


def _rights_of(run: RunParts, lifecycle: Lifecycle) -> list[str]:
    """Return the permissions in the project that whoever starts the run needs."""
    scaling = ["dataproc.autoscalingPolicies.use"] if run.cluster.autoscaling is not None else []
    return [*_ALWAYS, *_BY_LIFECYCLE[lifecycle], *scaling]


def _rules(run: RunParts, lifecycle: Lifecycle) -> Iterator[Finding]:
    """Bounds of the API, those of the times to live among them."""
    faults = [*broken_rules(run), *(workflow_faults(run) if lifecycle == "google" else ())]
    for fault in faults:
        yield Finding(check=f"rules.{fault.path}", level=Level.PROBLEM, message=fault.message, fix=fault.hint)
    if not faults:
        yield Finding(check="rules", level=Level.OK, message="the run keeps all bounds of the API")


def _own(run: RunParts, answers: Answers, lifecycle: Lifecycle) -> Iterator[Finding]:
    check, project = "own.permissions", run.cluster.project
    said = answers.get("own")
    if said is None:
        yield answers.unread("own", check, f"what {answers.member} may do in {project}")
        return
    lacking = [right for right in _rights_of(run, lifecycle) if right not in said.get("permissions", [])]
    fix = grant_on_project(project, answers.member, "roles/dataproc.editor")
    yield _rights(check, f"in project {project}", answers.member, lacking, fix)


def _act_as(run: RunParts, answers: Answers) -> Iterator[Finding]:
    account, check = run.cluster.service_account, "service_account.act_as"
    if account is None:
        message = "no service_account is named: the machines would run as the project's default account"
        yield Finding(
            check=check,
            level=Level.WARNING,
            message=message,
            fix="service_account: NAME@PROJECT.iam.gserviceaccount.com",
        )
        return
    said = answers.get("act_as")
    if answers.missing("act_as"):
        name = account.partition("@")[0]
        fix = f"gcloud iam service-accounts create {name} --project={run.cluster.project}"
        yield Finding(check=check, level=Level.PROBLEM, message=f"there is no account {account}", fix=fix)
    elif said is None:
        yield answers.unread("act_as", check, f"the right to act as {account}")
    else:
        fix = (
            f"gcloud iam service-accounts add-iam-policy-binding {account} --member={answers.member}"
            " --role=roles/iam.serviceAccountUser"
        )
        lacking = [] if _ACT_AS in said.get("permissions", []) else [_ACT_AS]
        yield _rights(check, f"on {account}", answers.member, lacking, fix)


def _worker(run: RunParts, answers: Answers) -> Iterator[Finding]:
    account, check = run.cluster.service_account, "service_account.worker"
    policy = answers.get("project.policy")
    if account is None:
        return
    if policy is None:
        yield answers.unread("project.policy", check, f"whether {account} has {WORKER_ROLE}")
    elif f"serviceAccount:{account}" in holders(policy, WORKER_ROLE, *_EDITOR):
        yield Finding(check=check, level=Level.OK, message=f"{account} has {WORKER_ROLE}")
    else:
        fix = grant_on_project(run.cluster.project, f"serviceAccount:{account}", WORKER_ROLE)
        message = f"{account} has no {WORKER_ROLE} in the project; a role of your own, a group or a condition may give the same"
        yield Finding(check=check, level=Level.WARNING, message=message, fix=fix)


def _subnet(run: RunParts, answers: Answers) -> Iterator[Finding]:
    cluster, check = run.cluster, "subnet.private_google_access"
    if cluster.subnetwork is None:
        return
    name, region, owner = (
        cluster.subnetwork.rsplit("/", 1)[-1],
        cluster.region,
        _project_of(cluster.subnetwork, cluster.project),
    )
    seen = answers.get("subnet")
    if answers.missing("subnet"):
        fix = f"gcloud compute networks subnets create {name} --project={owner} --region={region} --network=NETWORK --range=RANGE"
        fix += " --enable-private-ip-google-access"
        yield Finding(check="subnet.exists", level=Level.PROBLEM, message=f"there is no {cluster.subnetwork}", fix=fix)
    elif seen is None:
        yield answers.unread("subnet", check, f"subnetwork {name}")
    elif not seen.get("privateIpGoogleAccess") and cluster.internal_ip_only:
        fix = f"gcloud compute networks subnets update {name} --project={owner} --region={region}"
        fix += " --enable-private-ip-google-access"
        message = f"subnetwork {name} has no Private Google Access: machines without a public address reach nothing of Google's"
        yield Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)
    else:
        yield Finding(check=check, level=Level.OK, message=f"subnetwork {name} reaches Google's services")


def _key(run: RunParts, answers: Answers) -> Iterator[Finding]:
    key, region = run.cluster.kms_key, run.cluster.region
    if key is None:
        return
    parts = dict(zip(key.split("/")[::2], key.split("/")[1::2], strict=False))
    name, place = parts.get("cryptoKeys", key), parts.get("locations", "")
    where = f"--project={parts.get('projects', '')} --location={place} --keyring={parts.get('keyRings', '')}"
    seen = answers.get("key")
    if answers.missing("key"):
        fix = f"gcloud kms keys create {name} {where} --purpose=encryption"
        yield Finding(check="key.exists", level=Level.PROBLEM, message=f"there is no key {key}", fix=fix)
        return
    if seen is None:
        yield answers.unread("key", "key.exists", f"key {name}")
    elif (seen.get("primary") or {}).get("state") != "ENABLED":
        number = (seen.get("primary") or {}).get("name", "1").rsplit("/", 1)[-1]
        fix = f"gcloud kms keys versions enable {number} --key={name} {where}"
        yield Finding(check="key.enabled", level=Level.PROBLEM, message=f"key {name} is not enabled", fix=fix)
    if place not in (region, "global"):
        message = f"key {name} is in {place}, the cluster in {region}: disks take keys of their own region or of global"
        fix = f"gcloud kms keys create {name} {where.replace(f'--location={place}', f'--location={region}')} --purpose=encryption"
        yield Finding(check="key.location", level=Level.PROBLEM, message=message, fix=fix)
    yield from _key_grants(run, answers, name, where)


def _key_grants(run: RunParts, answers: Answers, name: str, where: str) -> Iterator[Finding]:
    number = (answers.get("project") or {}).get("projectNumber")
    if number is None:
        yield answers.unread(
            "project", "key.grants", f"the number of project {run.cluster.project}, which names the agents"
        )
        return
    read = {level: answers.get(level) for level in ("key.policy", "ring.policy", "project.policy")}
    same = run.cluster.kms_key is not None and f"projects/{run.cluster.project}/" in run.cluster.kms_key
    granted = {
        member
        for level, policy in read.items()
        if policy and (same or level != "project.policy")
        for member in holders(policy, KMS_ROLE)
    }
    blind = next((level for level in ("key.policy", "ring.policy") if read[level] is None), None)
    for service, form in _AGENTS.items():
        agent, check = f"serviceAccount:{form.format(number)}", f"key.grant.{service.split()[-1].lower()}"
        if agent in granted:
            yield Finding(check=check, level=Level.OK, message=f"{service} may use key {name}")
        elif blind is not None:
            yield answers.unread(blind, check, f"whether {service} may use key {name}")
        else:
            fix = f"gcloud kms keys add-iam-policy-binding {name} {where} --member={agent} --role={KMS_ROLE}"
            message = f"the service agent of {service} has no {KMS_ROLE} on key {name}"
            yield Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)


def _bucket_findings(run: RunParts, answers: Answers, bucket: str | None) -> Iterator[Finding]:
    if run.job is not None and not (bucket or run.cluster.staging_bucket):
        message = "no bucket is named for the job's document and result"
        yield Finding(check="bucket.named", level=Level.PROBLEM, message=message, fix="bucket: NAME")
    for name in _buckets(run, bucket):
        key, check = f"bucket:{name}", f"bucket.{name}"
        said = answers.get(key)
        if answers.missing(key):
            fix = f"gcloud storage buckets create gs://{name} --project={run.cluster.project} --location={run.cluster.region}"
            fix += " --uniform-bucket-level-access --public-access-prevention"
            yield Finding(check=check, level=Level.PROBLEM, message=f"there is no bucket {name}", fix=fix)
        elif said is None:
            yield answers.unread(key, check, f"bucket {name}")
        else:
            yield _bucket_rights(run, bucket, name, set(said.get("permissions", [])), answers.member)


def _bucket_rights(run: RunParts, bucket: str | None, name: str, held: set[str], member: str) -> Finding:
    """Judge by what is done there: documents are written, logs are read, and the temporary one is the machines' alone."""
    check, documents = f"bucket.{name}", name == (bucket or run.cluster.staging_bucket)
    needed = (_WRITE, *_READ) if documents else _READ if name == run.cluster.staging_bucket else ()
    role = "roles/storage.objectUser" if documents else "roles/storage.objectViewer"
    fix = f"gcloud storage buckets add-iam-policy-binding gs://{name} --member={member} --role={role}"
    lacking = [right for right in needed if right not in held]
    if documents and not lacking and _REPLACE not in held:
        message = (
            f"{member} lacks {_REPLACE} on bucket {name}: after a restart, lines of the driver's log are told again"
        )
        return Finding(check=check, level=Level.WARNING, message=message, fix=fix)
    return _rights(check, f"on bucket {name}", member, lacking, fix)


def _object_findings(run: RunParts, answers: Answers) -> Iterator[Finding]:
    if not run.cluster.init_actions:
        message = "no init_actions are named: nothing puts Dask and the environment onto the machines"
        fix = "dataops package --lock FILE --bucket BUCKET"
        yield Finding(check="init_actions.named", level=Level.WARNING, message=message, fix=fix)
    for uri, what in _objects(run).items():
        check = f"object.{what.replace(' ', '_')}"
        if answers.missing(uri):
            fix = (
                f"gcloud storage cp FILE {uri}"
                if what == "init script"
                else "dataops package --lock FILE --code FOLDER --bucket BUCKET"
            )
            yield Finding(check=check, level=Level.PROBLEM, message=f"there is no {what} at {uri}", fix=fix)
        elif answers.get(uri) is None:
            yield answers.unread(uri, check, f"the {what} at {uri}")
        else:
            yield Finding(check=check, level=Level.OK, message=f"the {what} is there: {uri}")


def _buckets(run: RunParts, bucket: str | None) -> list[str]:
    return list(dict.fromkeys(name for name in (bucket, run.cluster.staging_bucket, run.cluster.temp_bucket) if name))


def _objects(run: RunParts) -> dict[str, str]:
    found = {action.uri: "init script" for action in run.cluster.init_actions}
    if run.cluster.environment_uri is not None:
        found[run.cluster.environment_uri] = "environment"
    for uri in run.job.python_file_uris if run.job is not None else ():
        found[uri] = "code"
    return found


def _project_of(resource: str, fallback: str) -> str:
    parts = resource.split("projects/", 1)
    return parts[1].split("/", 1)[0] if len(parts) == 2 else fallback


def _escaped(name: str) -> str:
    """Return an object's name as one part of a path."""
    plain = "-_.~"
    return "".join(
        letter
        if letter.isascii() and (letter.isalnum() or letter in plain)
        else "".join(f"%{byte:02X}" for byte in letter.encode())
        for letter in name
    )


def _rights(check: str, where: str, member: str, lacking: list[str], fix: str) -> Finding:
    if not lacking:
        return Finding(check=check, level=Level.OK, message=f"{member} may do all that is needed {where}")
    return Finding(check=check, level=Level.PROBLEM, message=f"{member} lacks {', '.join(lacking)} {where}", fix=fix)


__all__ = ["findings", "questions"]
