# SPDX-License-Identifier: Apache-2.0
"""What happens by itself as time passes: clusters come up and go, and their times to live fire."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf import empty_pb2

from tests.services.dataproc_fake.records import Cluster, Job, stamp, turn
from tests.services.dataproc_fake.world import World

Write = Callable[[str, bytes], None]


def tick(world: World, write: Write) -> None:
    """Bring all clusters up to the present; ``write`` puts an object into a bucket."""
    for cluster in [one for one in world.clusters.values() if one.gone is None]:
        now = world.now(cluster.project)
        due = cluster.due is not None and now >= cluster.due
        if cluster.deleting is not None:
            if due and not cluster.deleting.get("stuck"):
                _finish_delete(world, cluster)
        elif cluster.state == "CREATING":
            if due and not cluster.fate.get("stuck"):
                _finish_create(world, cluster, now, write)
        elif cluster.state == "UPDATING" and due:
            _finish_update(world, cluster, now)
        if cluster.gone is None and cluster.deleting is None:
            _times_to_live(world, cluster, now)


def begin_delete(world: World, cluster: Cluster, what: str, fate: dict[str, object] | None = None) -> str:
    """Begin to delete a cluster and return the operation's name; its jobs end unless the deletion is bound to fail."""
    now, fate = world.now(cluster.project), fate or {}
    operation = world.begin(cluster, "DELETE", what)
    before, detail = cluster.state, cluster.body.status.detail
    if before == "CREATING" and not fate:
        world.finish(cluster.operation, error=("CANCELLED", f"Cluster {cluster.name} was deleted while it was created"))
    cluster.deleting = {"operation": operation.key, "before": before, "detail": detail, **fate}
    cluster.due = now + world.timing_of(cluster.project).delete
    turn(cluster.body, "DELETING", now)
    world.save(cluster)
    if not fate:
        end_jobs(world, cluster, f"Cluster {cluster.name} was deleted: {what}")
    return operation.key


def vanish(world: World, cluster: Cluster) -> None:
    """Take a cluster away at once."""
    cluster.gone = world.now(cluster.project)
    world.finish(cluster.operation, error=("CANCELLED", f"Cluster {cluster.name} was deleted while it was created"))
    if cluster.deleting is not None:
        world.finish(cluster.deleting["operation"], empty_pb2.Empty())
    world.save(cluster)
    end_jobs(world, cluster, f"Cluster {cluster.name} was deleted")


def end_jobs(world: World, cluster: Cluster, why: str) -> None:
    """Let all jobs of a cluster fail."""
    for job in world.active_jobs(cluster.uuid):
        end_job(world, job, "ERROR", why)


def end_job(world: World, job: Job, state: str, why: str = "") -> None:
    """Give a job its last state, once."""
    if job.ended is not None:
        return
    job.ended = world.now(job.project)
    turn(job.body, state, job.ended, why)
    job.body.done = True
    world.save(job)
    cluster = world.clusters.get(job.cluster)
    if cluster is not None:
        cluster.busy = max(cluster.busy, job.ended)
        world.save(cluster)


def _finish_create(world: World, cluster: Cluster, now: float, write: Write) -> None:
    fate = cluster.fate
    if fate.get("vanishes"):
        if fate.get("quiet"):
            world.finish(cluster.operation, cluster.body)
        vanish(world, cluster)
        return
    error = tuple(fate["error"]) if "error" in fate else None
    state = "ERROR" if error else fate.get("state", "RUNNING")
    detail = error[1] if error else fate.get("detail", "")
    if fate.get("init_log"):
        log = f"gs://{cluster.body.config.config_bucket}/google-cloud-dataproc-metainfo/{cluster.uuid}/{cluster.name}-m/dataproc-initialization-script-0_output"
        detail = detail.format(log=log)
        write(log, b"+ /bin/bash init.sh\ninit.sh: line 7: conda: command not found\n")
    turn(cluster.body, state, now, detail)
    cluster.due, cluster.busy = None, now
    world.save(cluster)
    world.finish(cluster.operation, cluster.body, error)  # type: ignore[arg-type]


def _finish_update(world: World, cluster: Cluster, now: float) -> None:
    turn(cluster.body, "RUNNING", now)
    cluster.due = None
    operation = cluster.fate.pop("update", "")
    world.save(cluster)
    world.finish(operation, cluster.body)


def _finish_delete(world: World, cluster: Cluster) -> None:
    deleting = cluster.deleting or {}
    if deleting.get("fails"):
        turn(cluster.body, deleting["before"], world.now(cluster.project), deleting["detail"])
        cluster.deleting, cluster.due = None, None
        world.save(cluster)
        world.finish(deleting["operation"], error=("INTERNAL", f"Cluster {cluster.name} could not be deleted"))
        return
    vanish(world, cluster)


def _times_to_live(world: World, cluster: Cluster, now: float) -> None:
    if not cluster.body.config.HasField("lifecycle_config"):
        return
    life, divisor = cluster.body.config.lifecycle_config, world.timing_of(cluster.project).ttl_divisor
    for job in world.active_jobs(cluster.uuid) if life.HasField("idle_delete_ttl") else []:
        cluster.busy = max(now, job.created)
    ends = expiry(cluster, divisor)
    if ends is not None and now >= ends:
        begin_delete(world, cluster, "its auto_delete_ttl is over")
    elif life.HasField("idle_delete_ttl") and cluster.state in ("RUNNING", "ERROR"):
        life.idle_start_time.CopyFrom(stamp(cluster.busy))
        if now >= cluster.busy + life.idle_delete_ttl.ToTimedelta().total_seconds() / divisor:
            begin_delete(world, cluster, "its idle_delete_ttl is over")


def expiry(cluster: Cluster, divisor: float) -> float | None:
    """Return when a cluster's age is up; None where it has no bound."""
    life = cluster.body.config.lifecycle_config
    if life.HasField("auto_delete_ttl"):
        return float(cluster.created + life.auto_delete_ttl.ToTimedelta().total_seconds() / divisor)
    if life.HasField("auto_delete_time"):
        return float(life.auto_delete_time.ToNanoseconds() / 1e9)
    return None


def bill(world: World, project: str) -> dict[str, object]:
    """Return what was billed in a project: each cluster from its create request until it was gone, or until now."""
    now, listed = world.now(project), []
    for cluster in world.clusters.values():
        if cluster.project == project and not cluster.foreign:
            seconds = (now if cluster.gone is None else cluster.gone) - cluster.created
            listed.append(
                {
                    "name": cluster.name,
                    "uuid": cluster.uuid,
                    "created": cluster.created,
                    "gone": cluster.gone,
                    "seconds": seconds,
                    "state": cluster.state if cluster.gone is None else "GONE",
                }
            )
    return {"now": now, "seconds": sum(one["seconds"] for one in listed), "clusters": listed}  # type: ignore[misc]
