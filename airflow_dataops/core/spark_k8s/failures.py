# SPDX-License-Identifier: Apache-2.0
"""Why a run of Spark on Kubernetes ended as it did: the codes, what each means, and what to do about it.

The page docs/how-to/spark_troubleshooting.md is written from :data:`CAUSES` by tools/spark_failures.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_dataops.core.model import Model


class Reason(StrEnum):
    """Why a run ended as it did; part of the public contract."""

    IMAGE_PULL = "IMAGE_PULL"
    CONFIG_MISSING = "CONFIG_MISSING"
    SCC_DENIED = "SCC_DENIED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    UNSCHEDULABLE = "UNSCHEDULABLE"
    DRIVER_OOM = "DRIVER_OOM"
    EVICTED = "EVICTED"
    NODE_LOST = "NODE_LOST"
    DRIVER_DELETED = "DRIVER_DELETED"
    EXECUTOR_OOM_LOOP = "EXECUTOR_OOM_LOOP"
    APP_ERROR = "APP_ERROR"
    S3_AUTH = "S3_AUTH"
    CLASS_NOT_FOUND = "CLASS_NOT_FOUND"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    KILLED = "KILLED"
    FOREIGN_OBJECT = "FOREIGN_OBJECT"
    REQUEST_REFUSED = "REQUEST_REFUSED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAUTHORIZED = "UNAUTHORIZED"
    OPERATOR_MISSING = "OPERATOR_MISSING"
    STATE_UNKNOWN = "STATE_UNKNOWN"
    UNREACHABLE = "UNREACHABLE"
    DELETE_STUCK = "DELETE_STUCK"
    ATTEMPTS_USED_UP = "ATTEMPTS_USED_UP"
    SUPERSEDED = "SUPERSEDED"


class Failure(Model):
    """Why something did not work.

    Attributes:
        code: Stable name.
        message: What happened, in one line, with Kubernetes' or the program's own words where there are any.
        hint: What to type or change.
        retryable: True where another try of the task may do better.
        evidence: What the code was told by: lines of a status, an event or a log.
    """

    code: Reason
    message: str
    hint: str
    retryable: bool = False
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cause:
    """What stands behind a code.

    Attributes:
        means: What happened.
        signs: By what it is known.
        hint: What to type or change, in one line; the task's log says it.
        retryable: Whether another try may do better.
    """

    means: str
    signs: str
    hint: str
    retryable: bool = False


DIAGNOSES: dict[Reason, Cause] = {
    Reason.IMAGE_PULL: Cause(
        "A node cannot get the image.",
        "a container waits in `ErrImagePull`, `ImagePullBackOff`, `InvalidImageName` or `ErrImageNeverPull` longer than "
        "`policy.image_pull_grace`",
        "check the name and tag of `image`, and that `image_pull_secrets` names a secret of the namespace that may read the registry",
    ),
    Reason.CONFIG_MISSING: Cause(
        "A ConfigMap, Secret or volume that the pod names is not there.",
        "a container waits in `CreateContainerConfigError`, or events say `FailedMount`",
        "create what the message names in the same namespace, or take it out of `env`, `secret_env` or `pod_template`",
    ),
    Reason.SCC_DENIED: Cause(
        "The cluster's security rules do not take the pod.",
        "OpenShift's security context constraints or Kubernetes' Pod Security refuse it, or the image wants to run as root",
        "take the profile `openshift`, leave `runAsUser` and `fsGroup` out of `pod_template`, and use an image that runs as any user",
    ),
    Reason.QUOTA_EXCEEDED: Cause(
        "The namespace's quota or limit range has no room for what was asked for.",
        "the API server answers `exceeded quota`, or names a maximum for each pod or container",
        "ask for less `cores` and `memory`, wait for other runs, or ask for more quota: oc describe quota,limitrange -n NAMESPACE",
        retryable=True,
    ),
    Reason.UNSCHEDULABLE: Cause(
        "No node takes the pod.",
        "the condition `PodScheduled` is false, events say `FailedScheduling`, or a node refused it (`OutOfcpu`, `OutOfmemory`)",
        "ask for less `cores` and `memory`, or add nodes; a node selector, a taint or a volume in `pod_template` may shut nodes out",
        retryable=True,
    ),
    Reason.DRIVER_OOM: Cause(
        "The driver needs more memory than it has.",
        "`OOMKilled`, exit code 137 or 52, `java.lang.OutOfMemoryError` or `MemoryError` in the driver",
        "raise `driver.memory` (JVM heap) or `driver.memory_overhead` (Python and all else), and do not collect() large results",
    ),
    Reason.EVICTED: Cause(
        "Kubernetes took the driver's place away.",
        "the pod's reason is `Evicted` or `Preempting`, or its condition `DisruptionTarget` says so",
        "run it again; ask for as much memory and ephemeral storage as it uses, and give it a priority class if it happens often",
        retryable=True,
    ),
    Reason.NODE_LOST: Cause(
        "The driver's node went away or does not answer.",
        "`NodeLost`, `NodeNotReady`, `TaintManagerEviction`, a node that shuts down, or a node that never starts a pod "
        "that was given to it",
        "run it again; `kubectl describe node NODE` says what is wrong with the node",
        retryable=True,
    ),
    Reason.DRIVER_DELETED: Cause(
        "Somebody or something deleted the driver, and it was not this run.",
        "the pod (or the application) is gone, or was told to stop, and no end was seen",
        "run it again; find out who did it: the audit log of `delete pods`, a clean-up job, a namespace that is being deleted",
        retryable=True,
    ),
    Reason.EXECUTOR_OOM_LOOP: Cause(
        "Executors are killed for their memory again and again.",
        "two or more executors `OOMKilled` or with exit code 137 or 52, or Spark gave up after too many of them",
        "raise `executor.memory_overhead` (Python, shuffle) or `executor.memory`, lower `executor.cores`, or make more "
        "and smaller partitions",
    ),
    Reason.APP_ERROR: Cause(
        "The program failed.",
        "any other exit code; the message has the last Python exception and the last Java `Caused by` of its log",
        "read the driver's log above, and mend the program or its arguments",
        retryable=True,
    ),
    Reason.S3_AUTH: Cause(
        "The object store does not let the job in.",
        "`403`, `SignatureDoesNotMatch`, `InvalidAccessKeyId`, `ExpiredToken` or no credentials at all, in the last error of the log",
        "check the keys in the Kubernetes Secret, their rights on the bucket, region and path style: dataops check-s3 s3://BUCKET/PREFIX",
    ),
    Reason.CLASS_NOT_FOUND: Cause(
        "The image lacks a class, jar or Python module.",
        "`ClassNotFoundException`, `NoClassDefFoundError`, `No FileSystem for scheme`, `ModuleNotFoundError`, exit code 101",
        "add the jar to `jars` or the module to `py_files`, of the same Spark, Scala and Hadoop version as the image, "
        "or build it into the image",
    ),
    Reason.RUN_TIMEOUT: Cause(
        "The job took longer than it may.",
        "`policy.run_timeout` is over, or the pod's reason is `DeadlineExceeded`",
        "give `policy.run_timeout` more time, or the job more executors",
        retryable=True,
    ),
}

ENDINGS: dict[Reason, Cause] = {
    Reason.KILLED: Cause(
        "The task was stopped: marked failed or cleared, or its DAG run timed out.",
        "Airflow called `on_kill`",
        "the driver was told to go; run again when you like",
        retryable=True,
    ),
    Reason.FOREIGN_OBJECT: Cause(
        "An object bears the run's name, and this run did not make it. It is left alone.",
        "409 `AlreadyExists`, and other labels",
        "delete or rename it yourself, or give this Airflow another instance name",
    ),
    Reason.REQUEST_REFUSED: Cause(
        "Kubernetes does not take the object as it is.",
        "400, 404 or 422 as the answer to a create",
        "mend the field that the message names; most come from `pod_template`, `labels` or `namespace`",
    ),
    Reason.PERMISSION_DENIED: Cause(
        "Airflow's account may not do that in the namespace.",
        "403, four times in a row",
        "bind the role that the message asks for; `dataops preflight` prints the YAML",
    ),
    Reason.UNAUTHORIZED: Cause(
        "The API server does not know the account: a wrong or expired token. A driver that runs goes on.",
        "401, four times in a row",
        "renew the token or kubeconfig of the connection; the next try takes a running driver over",
        retryable=True,
    ),
    Reason.OPERATOR_MISSING: Cause(
        "Nobody works on SparkApplications here.",
        "the kind is not installed (404), or no operator touched the application within `policy.start_timeout`",
        "install the operator for this API and let it watch the namespace, or take mode: direct",
    ),
    Reason.STATE_UNKNOWN: Cause(
        "The operator of SparkApplications uses a word that this version does not know, and the driver is not at work.",
        "`status` of the SparkApplication; a driver that runs is waited for whatever the word is",
        "kubectl get sparkapplication NAME -o yaml shows what happened; take a newer airflow-dataops, an operator that it knows, "
        "or mode: direct",
    ),
    Reason.UNREACHABLE: Cause(
        "The API server did not answer, or answered with errors, until the time was over.",
        "429, 5xx, time-outs",
        "try again later; `dataops preflight` looks at the way to the API server",
        retryable=True,
    ),
    Reason.DELETE_STUCK: Cause(
        "A driver of an earlier try does not go away, so no other one is started beside it.",
        "it was told to go, and is still listed after `policy.delete_timeout`",
        "if its node is really off: kubectl delete pod NAME --force --grace-period=0; then run again",
        retryable=True,
    ),
    Reason.ATTEMPTS_USED_UP: Cause(
        "The run has had 99 drivers.",
        "the labels `dataops-attempt`",
        "find out why they fail, then start a new run",
    ),
    Reason.SUPERSEDED: Cause(
        "Another process works on the same run, and it was there first.",
        "another live driver of the run appears each time that one is made",
        "nothing: the next try takes over what is there; if it comes back, look for two Airflows with one instance name",
        retryable=True,
    ),
}

CAUSES: dict[Reason, Cause] = DIAGNOSES | ENDINGS


def failure(
    code: Reason, message: str, *evidence: str, hint: str | None = None, retryable: bool | None = None
) -> Failure:
    """Return a failure with its code's own hint and verdict on another try, where no better ones are given."""
    cause = CAUSES[code]
    return Failure(
        code=code,
        message=message,
        hint=hint or cause.hint,
        retryable=cause.retryable if retryable is None else retryable,
        evidence=tuple(line for line in evidence if line),
    )
