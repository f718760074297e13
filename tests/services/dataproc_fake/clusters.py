# SPDX-License-Identifier: Apache-2.0
"""``ClusterController``: create, get, list, update, delete."""

from __future__ import annotations

import uuid
from typing import Any

from tests.services.dataproc_fake import checking, listing, passing
from tests.services.dataproc_fake.faults import Fate
from tests.services.dataproc_fake.protos import api
from tests.services.dataproc_fake.records import Answered, Cluster, ClusterPb, Refusal, turn
from tests.services.dataproc_fake.world import World

_UPDATED = {
    "config.lifecycle_config.idle_delete_ttl",
    "config.lifecycle_config.auto_delete_ttl",
    "config.worker_config.num_instances",
    "config.secondary_worker_config.num_instances",
    "labels",
}


def create(world: World, request: Any, fate: Fate) -> Any:
    """Begin to create a cluster."""
    project, region, now = request.project_id, request.region, world.now(request.project_id)
    checking.request_id(request.request_id)
    known = world.answered(project, region, request.request_id)
    if known is not None:
        return world.operations[known.key].body
    checking.cluster(request.cluster, region, now)
    if world.named(project, region, request.cluster.cluster_name) is not None:
        name = f"projects/{project}/regions/{region}/clusters/{request.cluster.cluster_name}"
        raise Refusal("ALREADY_EXISTS", f"Already exists: Failed to create cluster: Cluster {name}")
    body, own = ClusterPb(), str(uuid.uuid4())
    body.CopyFrom(request.cluster)
    body.project_id, body.cluster_uuid = project, own
    _fill(body, project, region)
    turn(body, "CREATING", now)
    cluster = Cluster(body, project, region, own, body.cluster_name, created=now, busy=now, fate=fate)
    cluster.due = now + world.timing_of(project).create
    operation = world.begin(cluster, "CREATE", f"Create cluster with {body.config.worker_config.num_instances} workers")
    cluster.operation = operation.key
    world.save(cluster)
    world.remember(project, region, request.request_id, Answered("operation", operation.key))
    return operation.body


def get(world: World, request: Any, fate: Fate) -> Any:
    """Return a cluster by its name."""
    return _wanted(world, request).body


def list_(world: World, request: Any, fate: Fate) -> Any:
    """Return a page of the clusters that a filter chooses."""
    chosen = listing.chosen(request.filter, "cluster")
    found = [one.body for one in world.alive(request.project_id, request.region) if chosen(one)]
    shown, token = listing.page(found, request.page_size, request.page_token, 200)
    return api.ListClustersResponse.pb()(clusters=shown, next_page_token=token)


def update(world: World, request: Any, fate: Fate) -> Any:
    """Change times to live, labels or numbers of workers of a cluster that runs."""
    project, region, now = request.project_id, request.region, world.now(request.project_id)
    checking.request_id(request.request_id)
    known = world.answered(project, region, request.request_id)
    if known is not None:
        return world.operations[known.key].body
    paths = list(request.update_mask.paths)
    if not paths or not set(paths) <= _UPDATED:
        raise checking.invalid(f"update_mask {paths}: some of {sorted(_UPDATED)}")
    cluster = _wanted(world, request)
    if cluster.state != "RUNNING":
        raise Refusal("FAILED_PRECONDITION", f"Cluster {cluster.name} is {cluster.state}; it must be RUNNING")
    checking.lifetimes(request.cluster.config.lifecycle_config, now)
    checking.labels(request.cluster.labels)
    for path in paths:
        _copy(request.cluster, cluster.body, path.split("."))
    operation = world.begin(cluster, "UPDATE", f"Update {', '.join(paths)}")
    turn(cluster.body, "UPDATING", now)
    cluster.due, cluster.fate["update"] = now + world.timing_of(project).update, operation.key
    world.save(cluster)
    world.remember(project, region, request.request_id, Answered("operation", operation.key))
    return operation.body


def delete(world: World, request: Any, fate: Fate) -> Any:
    """Begin to delete a cluster: the one with the UUID, where there is one in the request."""
    project, region = request.project_id, request.region
    checking.request_id(request.request_id)
    known = world.answered(project, region, request.request_id)
    if known is not None:
        return world.operations[known.key].body
    cluster = _wanted(world, request)
    if request.cluster_uuid and request.cluster_uuid != cluster.uuid:
        raise Refusal("NOT_FOUND", f"Not found: Cluster {cluster.name} with UUID {request.cluster_uuid}")
    if cluster.deleting is not None:
        raise Refusal("FAILED_PRECONDITION", f"Cluster {cluster.name} is being deleted already")
    name = passing.begin_delete(world, cluster, "Delete cluster", fate)
    world.remember(project, region, request.request_id, Answered("operation", name))
    return world.operations[name].body


def _wanted(world: World, request: Any) -> Cluster:
    found = world.named(request.project_id, request.region, request.cluster_name)
    if found is None:
        where = f"projects/{request.project_id}/regions/{request.region}/clusters/{request.cluster_name}"
        raise Refusal("NOT_FOUND", f"Not found: Cluster {where}")
    return found


def _fill(body: Any, project: str, region: str) -> None:
    """Add what Google adds."""
    config = body.config
    config.config_bucket = config.config_bucket or f"dataproc-staging-{region}-{project}"
    config.temp_bucket = config.temp_bucket or f"dataproc-temp-{region}-{project}"
    config.master_config.num_instances = config.master_config.num_instances or 1
    config.master_config.instance_names.append(f"{body.cluster_name}-m")
    count = config.worker_config.num_instances = config.worker_config.num_instances or 2
    config.worker_config.instance_names.extend(f"{body.cluster_name}-w-{number}" for number in range(count))
    body.labels["goog-dataproc-cluster-name"] = body.cluster_name
    body.labels["goog-dataproc-cluster-uuid"] = body.cluster_uuid
    body.labels["goog-dataproc-location"] = region
    if config.endpoint_config.enable_http_port_access:
        gateway = f"https://{body.cluster_uuid[:12]}-dot-{region}.dataproc.googleusercontent.com"
        config.endpoint_config.http_ports["YARN ResourceManager"] = f"{gateway}/yarn/"
        config.endpoint_config.http_ports["HDFS NameNode"] = f"{gateway}/hdfs/dfshealth.html"


def _copy(source: Any, target: Any, path: list[str]) -> None:
    for name in path[:-1]:
        source, target = getattr(source, name), getattr(target, name)
    name = path[-1]
    if name == "labels":
        kept = {key: value for key, value in target.labels.items() if key.startswith("goog-")}
        target.ClearField("labels")
        target.labels.update(kept | dict(source.labels))
    elif name == "num_instances":
        target.num_instances = source.num_instances
    else:
        getattr(target, name).CopyFrom(getattr(source, name))
