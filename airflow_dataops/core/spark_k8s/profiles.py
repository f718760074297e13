# SPDX-License-Identifier: Apache-2.0
"""What driver and executors need so that a cluster lets them in, as pod documents that the user's template is laid upon."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.spark_k8s.spec import Profile

Document = dict[str, Any]

DRIVER_CONTAINER, EXECUTOR_CONTAINER = "spark-kubernetes-driver", "spark-kubernetes-executor"
CONF_DIR = "/opt/spark/conf"
WORK, TMP, SCRATCH = "/opt/spark/work-dir", "/tmp", "/var/data/spark-local"  # noqa: S108 - a folder in the pod
EMPTY_FOLDERS = (WORK, TMP)
SPARK_UID = 185  # of Spark's own image

_VOLUMES = {"tmp": TMP, "work-dir": WORK}


def pod_base(profile: Profile, container: str, *, scratch: bool) -> Document:
    """Return metadata-less pod parts of the profile.

    Args:
        profile: ``openshift`` and ``kind`` pass Pod Security ``restricted``; ``plain`` sets no security context and leaves the image's
            folders as they are.
        container: Name of the container that Spark runs in.
        scratch: Also give it a folder for spilled data; Spark does that for executors by itself.
    """
    restricted = profile is not Profile.PLAIN
    mounts = dict(_VOLUMES) if restricted else {}
    if scratch:
        mounts["spark-local-dir-1"] = SCRATCH
    main: Document = {"name": container}
    spec: Document = {"containers": [main]}
    if restricted:
        # No user's name belongs to an arbitrary UID, so nothing may look for its home.
        main["env"] = [{"name": "HOME", "value": TMP}]
        main["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        spec["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if profile is Profile.KIND:
        spec["securityContext"] |= {"runAsUser": SPARK_UID, "runAsGroup": SPARK_UID, "fsGroup": SPARK_UID}
    if mounts:
        main["volumeMounts"] = [{"name": name, "mountPath": path} for name, path in mounts.items()]
        spec["volumes"] = [{"name": name, "emptyDir": {}} for name in mounts]
    return {"spec": spec}
