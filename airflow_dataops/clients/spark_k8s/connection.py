# SPDX-License-Identifier: Apache-2.0
"""What an Airflow connection of type ``kubernetes`` says, wherever it was read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.errors import SpecError, unknown_name

_PREFIX = "extra__kubernetes__"
_WAYS = ("in_cluster", "kube_config", "kube_config_path")
# What the provider's form has, too, and what has no meaning without its sidecar and its own client.
_WITHOUT_EFFECT = {"disable_tcp_keepalive", "xcom_sidecar_container_image", "xcom_sidecar_container_resources"}
_KNOWN = {*_WAYS, "namespace", "cluster_context", "disable_verify_ssl", *_WITHOUT_EFFECT}


def settings_of(fields: Mapping[str, Any], namespace: str) -> KubeSettings:
    """Return where Kubernetes is and as whom it is asked.

    Args:
        fields: What :func:`fields_of` gives.
        namespace: Namespace of all that is created.
    """
    return KubeSettings(
        namespace=namespace,
        kubeconfig=fields.get("kube_config_path"),
        document=fields.get("kube_config"),
        context=fields.get("cluster_context"),
    )


def fields_of(conn_id: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the extra of a connection says; an empty field of the form says nothing.

    Raises:
        SpecError: Something in it cannot be meant (``KUBERNETES_CONNECTION``).
    """
    code = "KUBERNETES_CONNECTION"
    found = {name.removeprefix(_PREFIX): value for name, value in extra.items() if value not in (None, "", False)}
    for name in found:
        if name not in _KNOWN:
            raise unknown_name(f"key in the extra of connection {conn_id}", name, _KNOWN, code=code)
    if found.get("disable_verify_ssl"):
        raise SpecError(
            f"connection {conn_id} turns the check of certificates off (disable_verify_ssl); then anybody may answer for the cluster",
            hint="give the authority in the kubeconfig instead: certificate-authority-data",
            code=code,
        )
    ways = [name for name in _WAYS if name in found]
    if len(ways) > 1:
        raise SpecError(
            f"connection {conn_id} has {' and '.join(ways)}, and only one of them can count",
            hint=f"leave {ways[0]}, and empty the other",
            code=code,
        )
    if "kube_config" in found:
        found["kube_config"] = _as_json(conn_id, found["kube_config"])
    return found


def _as_json(conn_id: str, document: Any) -> str:
    """Return a kubeconfig, which may be written in YAML, as JSON; an error never shows it."""
    if isinstance(document, str):
        import yaml

        try:
            document = yaml.safe_load(document)
        except yaml.YAMLError:
            document = None
    if not isinstance(document, dict):
        raise SpecError(
            f"the kube_config of connection {conn_id} is no kubeconfig: it has to be a document of JSON or YAML",
            hint="paste what `kubectl config view --flatten --minify` prints, or give kube_config_path",
            code="KUBERNETES_CONNECTION",
        )
    return json.dumps(document)


__all__ = ["fields_of", "settings_of"]
