# SPDX-License-Identifier: Apache-2.0
"""Preflight of what lies in Compute Engine and Filestore: subnetwork, quotas of the region, the NFS server's network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, Disk
from airflow_dataops.core.preflight.asking import Answers, Question
from airflow_dataops.core.preflight.findings import Finding, Level

_VIEWER = "roles/compute.viewer"
# These have no quota of their own family: they count as CPUS.
_PLAIN_FAMILIES = frozenset({"e2", "f1", "g1", "n1", "custom"})


def quota_questions(cluster: ClusterSpec) -> Iterator[Question]:
    """Yield what has to be asked of Compute Engine and Filestore."""
    project, region = cluster.project, cluster.region
    yield Question("region", "compute", f"projects/{project}/regions/{region}", _VIEWER, project)
    for kind in sorted(_kinds(cluster)):
        path = f"projects/{project}/aggregated/machineTypes?filter=name%3D{kind}"
        yield Question(f"machine:{kind}", "compute", path, _VIEWER, project, paged=True)
    if cluster.subnetwork is not None:
        name = cluster.subnetwork
        short = f"{project}/regions/{region}/subnetworks/{name.rsplit('/', 1)[-1]}"  # Google takes a name alone, too
        path = "projects/" + (name.split("projects/", 1)[1] if "projects/" in name else short)
        host = path.split("/")[1]
        yield Question("subnet", "compute", path, "roles/compute.networkViewer", host)
        if cluster.nfs is not None:
            path = f"projects/{host}/aggregated/subnetworks"
            yield Question("subnets", "compute", path, "roles/compute.networkViewer", host, paged=True)
    if cluster.nfs is not None:
        path = f"projects/{project}/locations/-/instances"
        yield Question("shares", "file", path, "roles/file.viewer", project, paged=True)


def quota_findings(cluster: ClusterSpec, answers: Answers) -> Iterator[Finding]:
    """Yield a finding for each quota of the region that the cluster, at its largest, needs."""
    region = answers.get("region")
    if region is None:
        yield answers.unread("region", "quota", f"the quotas of {cluster.region}")
        return
    cores: dict[str, int] = {}
    for kind in sorted(_kinds(cluster)):
        sizes = {int(one["guestCpus"]) for one in answers.items(f"machine:{kind}", "items") if one.get("name") == kind}
        if sizes:
            cores[kind] = max(sizes)
        elif answers.get(f"machine:{kind}") is None:
            yield answers.unread(f"machine:{kind}", f"quota.{kind}", f"the size of machine type {kind}")
        else:
            fix = f'gcloud compute machine-types list --project={cluster.project} --filter="zone:{cluster.region}"'
            yield Finding(
                check=f"quota.{kind}", level=Level.PROBLEM, message=f"there is no machine type {kind}", fix=fix
            )
    free = {one["metric"]: (float(one["limit"]), float(one.get("usage", 0))) for one in region.get("quotas", [])}
    for metric, wanted in sorted(_needs(cluster, cores, set(free)).items()):
        yield _quota(cluster, metric, wanted, free.get(metric))


def nfs_findings(cluster: ClusterSpec, answers: Answers) -> Iterator[Finding]:
    """Yield whether the NFS server lies in the network of the cluster's subnetwork."""
    if cluster.nfs is None:
        return
    server, check = cluster.nfs.server, "nfs.network"
    network = _tail((answers.get("subnet") or {}).get("network", ""))
    if not network:
        key = "subnet" if cluster.subnetwork is not None else "shares"
        yield answers.unread(key, check, "the network of the cluster")
        return
    for share in answers.items("shares", "instances"):
        for place in share.get("networks", []):
            if server not in place.get("ipAddresses", []):
                continue
            theirs = _tail(place.get("network", ""))
            if theirs == network:
                yield Finding(check=check, level=Level.OK, message=f"{server} is a Filestore of network {network}")
            else:
                fix = f"take a share of network {network}: gcloud filestore instances list --project={cluster.project}"
                message = f"{server} is a Filestore of network {theirs}; the cluster is in {network}"
                yield Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)
            return
    yield _somewhere(cluster, answers, server, network)


def _somewhere(cluster: ClusterSpec, answers: Answers, server: str, network: str) -> Finding:
    """Judge a server that is none of the project's Filestore instances."""
    check = "nfs.network"
    ranges = [
        one["ipCidrRange"]
        for one in answers.items("subnets", "items")
        if _tail(one.get("network", "")) == network and "ipCidrRange" in one
    ]
    try:
        inside = any(ip_address(server) in ip_network(found) for found in ranges)
    except ValueError:
        inside = False
    if inside:
        return Finding(check=check, level=Level.OK, message=f"{server} is an address of network {network}")
    for key, what in (("shares", "the project's Filestore instances"), ("subnets", f"the subnetworks of {network}")):
        if answers.get(key) is None:
            return answers.unread(key, check, what)
    fix = f"gcloud filestore instances list --project={cluster.project} --format='table(name,networks)'"
    message = (
        f"{server} is no Filestore of the project and no address of network {network}; it may be reached by a peering"
    )
    return Finding(check=check, level=Level.UNKNOWN, message=message, fix=fix)


def _kinds(cluster: ClusterSpec) -> set[str]:
    kinds = {_tail(cluster.master.machine_type), _tail(cluster.workers.machine_type)}
    if cluster.secondary is not None:
        kinds |= {_tail(kind) for choice in cluster.secondary.choices for kind in choice.machine_types}
    return kinds


def _needs(cluster: ClusterSpec, cores: dict[str, int], known: set[str]) -> Counter[str]:
    """Return metric -> what the cluster needs of it; of secondary workers the largest choice."""
    need: Counter[str] = Counter()
    scaling, secondary = cluster.autoscaling, cluster.secondary
    primary = max(cluster.workers.count, scaling.max_workers if scaling else 0)
    groups = [
        (1, [_tail(cluster.master.machine_type)], cluster.master.disk, False),
        (primary, [_tail(cluster.workers.machine_type)], cluster.workers.disk, False),
    ]
    count = max(secondary.count if secondary else 0, scaling.max_secondary_workers if scaling else 0)
    if count:
        kinds = [_tail(kind) for choice in secondary.choices for kind in choice.machine_types] if secondary else []
        spot = secondary is not None and secondary.preemptibility != "NON_PREEMPTIBLE"
        disk = secondary.disk if secondary else cluster.workers.disk
        groups.append((count, kinds or [_tail(cluster.workers.machine_type)], disk, spot))
    for number, kinds, disk, spot in groups:
        largest = max((kind for kind in kinds if kind in cores), key=lambda kind: cores[kind], default=None)
        if largest is not None:
            need[_metric(largest, spot, known)] += number * cores[largest]
        need[_disk_metric(disk)] += number * disk.size_gb
        need["INSTANCES"] += number
        if not cluster.internal_ip_only:
            need["IN_USE_ADDRESSES"] += number
    return need


def _metric(kind: str, spot: bool, known: set[str]) -> str:
    if spot and "PREEMPTIBLE_CPUS" in known:
        return "PREEMPTIBLE_CPUS"
    family = kind.split("-", 1)[0]
    own = f"{family.upper()}_CPUS"
    return own if family not in _PLAIN_FAMILIES and own in known else "CPUS"


def _disk_metric(disk: Disk) -> str:
    return "DISKS_TOTAL_GB" if disk.type == "pd-standard" else "SSD_TOTAL_GB"


def _quota(cluster: ClusterSpec, metric: str, wanted: int, seen: tuple[float, float] | None) -> Finding:
    check = f"quota.{metric}"
    show = f"gcloud compute regions describe {cluster.region} --project={cluster.project}"
    if seen is None:
        message = f"{cluster.region} tells no quota {metric}; {wanted} are needed"
        return Finding(check=check, level=Level.UNKNOWN, message=message, fix=show)
    limit, usage = seen
    said = f"{wanted} of {metric} are needed in {cluster.region}; {limit - usage:g} of {limit:g} are free"
    if wanted <= limit - usage:
        return Finding(check=check, level=Level.OK, message=said)
    # PREEMPTIBLE_CPUS with the limit 0 means that spot machines count as ordinary ones.
    if metric == "PREEMPTIBLE_CPUS" and limit == 0:
        message = f"{cluster.region} has no quota of its own for spot machines: these {wanted} count as CPUS"
        return Finding(check=check, level=Level.WARNING, message=message, fix=show)
    fix = (
        f"gcloud beta quotas preferences create --service=compute.googleapis.com --project={cluster.project}"
        f" --quota-id={metric.replace('_', '-')}-per-project-region --dimensions=region={cluster.region}"
        f" --preferred-value={int(usage) + wanted}"
    )
    # What others use now may be free when the run starts; more than the limit never is.
    return Finding(check=check, level=Level.PROBLEM if wanted > limit else Level.WARNING, message=said, fix=fix)


def _tail(resource: str) -> str:
    return resource.rsplit("/", 1)[-1]
