# SPDX-License-Identifier: Apache-2.0
"""Names and labels from which a later try, or the cluster's owner, knows whose a pod is: made of the run, never of the clock or the try.

A driver's name is at most 47 characters, so that Spark can put ``-exec-`` and any number behind it within a label's 63.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity, run_hash, text_hash
from airflow_dataops.core.spark_k8s.spec import RunParts

LONGEST_DRIVER_NAME, LONGEST_LABEL = 47, 63
MOST_ATTEMPTS = 99
MANAGED_BY, MANAGER = "managed-by", "airflow-dataops"
INSTANCE, RUN, ATTEMPT, SPEC = "dataops-instance", "dataops-run", "dataops-attempt", "dataops-spec"
ROLE, DRIVER, EXECUTOR = "spark-role", "driver", "executor"
APP_SELECTOR = "spark-app-selector"
OWN_PREFIX = "dataops-"
ANNOTATIONS = "dataops/"
LIFETIME, KEEP = "lifetime-seconds", "keep-failed-seconds"

_TRACKING, _LINEAGE = "MLFLOW_", "spark.openlineage."
_HASH_IN_NAME = 20  # 100 bits; the label carries all 256, so that a clash is seen
_LONGEST_SLUG = LONGEST_DRIVER_NAME - 1 - _HASH_IN_NAME - len("-a99")


def run_key(identity: RunIdentity) -> str:
    """Return the value of the label ``dataops-run``: the run's whole hash, 53 characters."""
    return f"r{run_hash(identity)}"


def driver_name(identity: RunIdentity, attempt: int) -> str:
    """Return ``<task>-<hash>-a<attempt>``: the driver pod's or SparkApplication's name, and Spark's application id; at most 47 characters.

    ``attempt`` counts drivers, not tries of the task: a new try asks for the same one until that is known to have failed.

    Raises:
        SpecError: The run has used up its 99 drivers (``ATTEMPTS_USED_UP``).
    """
    if not 1 <= attempt <= MOST_ATTEMPTS:
        raise SpecError(
            f"driver number {attempt} of one run: it has at most {MOST_ATTEMPTS}",
            hint="find out why its drivers fail again and again, then start a new run",
            code="ATTEMPTS_USED_UP",
        )
    slug = _slug(identity.task_id)
    slug = slug if slug[:1].isalpha() else f"s-{slug}"  # a Service's name begins with a letter
    return f"{slug[:_LONGEST_SLUG].strip('-')}-{run_hash(identity)[:_HASH_IN_NAME]}-a{attempt}"


def config_name(driver: str) -> str:
    """Return the name of the driver's ConfigMap."""
    return f"{driver}-conf"


def secret_name(driver: str) -> str:
    """Return the name of the Secret that lives as long as the driver."""
    return f"{driver}-env"


def service_name(driver: str) -> str:
    """Return the name of the driver's Service."""
    return f"{driver}-svc"


def run_labels(identity: RunIdentity) -> dict[str, str]:
    """Return the labels by which everything of a run is listed and known as our own."""
    return {MANAGED_BY: MANAGER, INSTANCE: label_value(identity.instance), RUN: run_key(identity)}


def labels_of(run: RunParts, identity: RunIdentity, attempt: int) -> dict[str, str]:
    """Return the labels of one driver and of all that belongs to it, without its role."""
    return {**run.app.labels, **run_labels(identity), ATTEMPT: str(attempt), SPEC: spec_hash(run)}


def annotations_of(run: RunParts, identity: RunIdentity) -> dict[str, str]:
    """Return the annotations of the same: the ids in full, which no label can hold, and for how long it is there."""
    ids = {
        "instance": identity.instance,
        "dag-id": identity.dag_id,
        "task-id": identity.task_id,
        "run-id": identity.run_id,
        "map-index": str(identity.map_index),
        # For the janitor, who knows of no run's policy.
        LIFETIME: str(int((run.policy.start_timeout + run.policy.run_timeout).total_seconds())),
        KEEP: str(int(keep.total_seconds()) if (keep := run.policy.keep_failed_for) is not None else 0),
    }
    return {**run.app.annotations, **{f"{ANNOTATIONS}{name}": value for name, value in ids.items()}}


def selector(labels: Mapping[str, str]) -> str:
    """Return the ``labelSelector`` of a list request for what bears these labels."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def owns(labels: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Tell whether ``labels`` carries all labels of ``own`` (:func:`run_labels`)."""
    return bool(own) and all(labels.get(key) == value for key, value in own.items())


def attempt_of(labels: Mapping[str, str]) -> int:
    """Return the number of the driver that bears these labels; 0 where they name none."""
    found = re.fullmatch(r"[1-9][0-9]?", labels.get(ATTEMPT, ""))
    return int(found[0]) if found else 0


def spec_hash(run: RunParts) -> str:
    """Return the hash of the program and what it runs on, 53 characters; patience, links and who is told of the run do not count."""
    target = run.target.model_dump(mode="json", include={"namespace", "service_account", "mode", "api_server"})
    document = {"version": 1, "app": _counted(run.app.model_dump(mode="json")), "target": target}
    return "s" + text_hash(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def label_value(text: str) -> str:
    """Return ``text`` as a label's value: small letters, digits and -, at most 63; made unlike others by a hash where it had to change."""
    slug = _slug(text)
    if slug == text and 0 < len(slug) <= LONGEST_LABEL:
        return slug
    return "-".join(part for part in ("x", slug[:40].strip("-"), text_hash(text)[:12]) if part)


def _counted(app: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is another one for each try, or missing where a tracking server does not answer: the driver is the same."""
    parts = {"env": _TRACKING, "secret_env": _TRACKING, "conf": _LINEAGE}
    less = {part: {k: v for k, v in app[part].items() if not k.startswith(prefix)} for part, prefix in parts.items()}
    return {**app, **less}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
