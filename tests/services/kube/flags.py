# SPDX-License-Identifier: Apache-2.0
"""Flags of the control plane's processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.services.kube.authority import Authority, Pair

# Only what pods, Jobs, quota, garbage collection, tokens and namespaces need.
CONTROLLERS = (
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
    "job-controller",
    "ttl-after-finished-controller",
    "pod-garbage-collector-controller",
    "clusterrole-aggregation-controller",
    "endpoints-controller",
    "endpointslice-controller",
)
_QUICK = ("--kube-api-qps=200", "--kube-api-burst=400", "--leader-elect=false", "--secure-port=0")


def etcd_flags(data: Path, client_port: int, peer_port: int) -> list[str]:
    """Return the flags of an etcd that need not survive the machine."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_flags(authority: Authority, account_keys: Pair, port: int, etcd_url: str) -> list[str]:
    """Return the flags of the API server."""
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    served = authority.server("apiserver", "kube-apiserver", ips=["127.0.0.1", "10.0.0.1"], hosts=names)
    kubelet = authority.user("kubelet-client", "kube-apiserver-kubelet-client", group="system:masters")
    public, private = account_keys
    return [
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # A loopback address is refused as an endpoint of the Service `kubernetes`, so it gets none.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--cert-dir={public.parent}",
        f"--tls-cert-file={served[0]}",
        f"--tls-private-key-file={served[1]}",
        f"--client-ca-file={authority.file}",
        "--service-account-issuer=https://kubernetes.default.svc",
        # The public key: a private one in PKCS #8 is not taken here.
        f"--service-account-key-file={public}",
        f"--service-account-signing-key-file={private}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={kubelet[0]}",
        f"--kubelet-client-key={kubelet[1]}",
        f"--kubelet-certificate-authority={authority.file}",
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
        "--shutdown-delay-duration=0s",
    ]


def controller_flags(
    authority: Authority, account_keys: Pair, kubeconfig: Path, controllers: Sequence[str]
) -> list[str]:
    """Return the flags of the controller manager. Without accounts of their own the controllers may do next to nothing."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={account_keys[1]}",
        f"--root-ca-file={authority.file}",
        f"--controllers={','.join(controllers)}",
        "--use-service-account-credentials=true",
        "--concurrent-gc-syncs=5",
        *_QUICK,
    ]


def scheduler_flags(kubeconfig: Path) -> list[str]:
    """Return the flags of the scheduler."""
    return [f"--kubeconfig={kubeconfig}", *_QUICK]
