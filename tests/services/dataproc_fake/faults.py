# SPDX-License-Identifier: Apache-2.0
"""Everything that can go wrong, by name: the registry. ``arming`` says at which call a fault strikes; the text of each says what it does.

A fault acts at one of four points of a call: ``BEFORE`` anything is done, as the ``FATE`` of what the call makes, when its effect is
``COMMITTED``, or in place of the ``REPLY``. What happens to a job ``after`` so many
seconds counts from the first output of its driver, or from its output of the text ``when``. The rows are those of the fault table in docs/adr/0040.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.services.dataproc_fake import planting
from tests.services.dataproc_fake.records import Refusal
from tests.services.dataproc_fake.world import World

Fate = dict[str, Any]
POLLS = ("GetOperation", "GetCluster", "GetJob", "ListClusters", "ListJobs")
LOST = Refusal("UNAVAILABLE", "the connection was lost before the answer came")
STOCKOUT = "ZONE_RESOURCE_POOL_EXHAUSTED: The zone 'projects/p/zones/z' does not have enough resources available to fulfill the request."
QUOTA = "Insufficient 'CPUS' quota. Requested 48.0, available 24.0."
KMS = (
    "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource 'projects/p/locations/l/keyRings/r/cryptoKeys/k' "
    "(or it may not exist)."
)
INIT = "Initialization action failed. Failed action 'gs://code/init.sh', see output in: {log}"


class Point(Enum):
    """When a fault acts."""

    BEFORE = "before"
    FATE = "fate"
    COMMITTED = "committed"
    REPLY = "reply"


@dataclass
class Call:
    """A call under way.

    Attributes:
        number: Its place in the log, counted from 1 over all projects.
        method: Name of the RPC.
        name: The cluster, job or operation that it is about.
        faults: Names of the faults that strike it.
        committed: Whether its effect came true.
        active: Tells whether the caller still waits.
    """

    number: int
    method: str
    project: str
    region: str
    name: str
    request: Any
    request_id: str = ""
    faults: list[str] = field(default_factory=list)
    committed: bool = False
    active: Callable[[], bool] = lambda: True


Act = Callable[[World, Call, Mapping[str, Any]], Fate | None]


@dataclass(frozen=True)
class Fault:
    """A way to fail.

    Attributes:
        rows: Rows of the fault table that it is for.
        methods: RPCs that it strikes.
        times: How many calls in a row, where the arming does not say.
        act: What it does; arguments come with the arming.
    """

    name: str
    rows: tuple[int, ...]
    methods: tuple[str, ...]
    point: Point
    times: int
    act: Act

    @property
    def text(self) -> str:
        """What it does, in words."""
        return (self.act.__doc__ or "").strip()


FAULTS: dict[str, Fault] = {}


def _strike(what: str, args: Mapping[str, Any]) -> Fate:
    return {"kill": what, "after": args.get("after", 0.3), "when": args.get("when", "")}


def fault(rows: int | tuple[int, ...], *methods: str, at: Point, times: int = 1) -> Callable[[Act], Act]:
    """Enter a function into the registry, under its own name."""

    def enter(act: Act) -> Act:
        numbers = rows if isinstance(rows, tuple) else (rows,)
        FAULTS[act.__name__] = Fault(act.__name__, numbers, methods, at, times, act)  # type: ignore[attr-defined]
        return act

    return enter


@fault(1, "CreateCluster", at=Point.REPLY)
def create_reply_lost(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The cluster is made, and the answer is lost (``code``, else UNAVAILABLE)."""
    raise Refusal(args.get("code", LOST.code), LOST.text)


@fault(3, "CreateCluster", at=Point.FATE)
def create_stockout(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The operation ends with a stock-out of the zone; the cluster stays, in ERROR."""
    return {"error": ["RESOURCE_EXHAUSTED", STOCKOUT]}


@fault(3, "CreateCluster", at=Point.BEFORE)
def create_stockout_refused(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The request itself is refused for a stock-out, and nothing is made."""
    raise Refusal("RESOURCE_EXHAUSTED", STOCKOUT)


@fault(4, "CreateCluster", at=Point.FATE, times=99)
def create_quota(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The operation ends because a quota does not suffice; so does each later one."""
    return {"error": ["INVALID_ARGUMENT", QUOTA]}


@fault(4, "CreateCluster", at=Point.BEFORE, times=99)
def create_quota_refused(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The request is refused because a quota does not suffice."""
    raise Refusal("INVALID_ARGUMENT", QUOTA)


@fault(5, "CreateCluster", at=Point.BEFORE)
def create_invalid(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The request is refused with INVALID_ARGUMENT."""
    raise Refusal("INVALID_ARGUMENT", "Invalid value for field 'config.software_config.image_version': '9.9'.")


@fault(5, "CreateCluster", at=Point.BEFORE)
def create_denied(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The request is refused with PERMISSION_DENIED: actAs on the service account is missing."""
    raise Refusal(
        "PERMISSION_DENIED", "User not authorized to act as service account 'dask@p.iam.gserviceaccount.com'."
    )


@fault(5, "CreateCluster", at=Point.FATE)
def create_kms(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The operation ends because a service agent may not use the key; the cluster stays, in ERROR."""
    return {"error": ["PERMISSION_DENIED", KMS]}


@fault(6, "CreateCluster", at=Point.FATE)
def create_stuck(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The cluster stays CREATING, and its operation never ends."""
    return {"stuck": True}


@fault(7, "CreateCluster", at=Point.FATE)
def create_init_action_failed(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The operation ends well, but the cluster is in ERROR: an initialization action failed, and its log lies in the bucket."""
    return {"state": "ERROR", "detail": INIT, "init_log": True}


@fault(8, "CreateCluster", at=Point.FATE)
def create_vanishes(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """Somebody deletes the cluster while it is made: there is none, and its operation is cancelled, or with ``quiet`` ends well."""
    return {"vanishes": True, "quiet": bool(args.get("quiet"))}


@fault(9, *POLLS, at=Point.BEFORE, times=6)
def polls_fail(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """Reads are answered with ``code``, else UNAVAILABLE, six times in a row."""
    raise Refusal(args.get("code", "UNAVAILABLE"), "The service is currently unavailable.")


@fault(9, *POLLS, at=Point.REPLY, times=2)
def polls_hang(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """Reads get no answer before the caller's own deadline, or that of the fake (``seconds``, 20)."""
    planting.wait_for_caller(call.active, float(args.get("seconds", 20)))
    raise Refusal("DEADLINE_EXCEEDED", "Deadline exceeded.")


@fault(10, "CreateCluster", at=Point.BEFORE)
def foreign_cluster(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """Somebody else's cluster bears the name already."""
    planting.foreign(world, call.project, call.region, call.request.cluster.cluster_name)
    return None


@fault(11, "CreateCluster", at=Point.COMMITTED)
def other_spec(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The cluster turns out to be one of another specification (label ``dataops-spec``), and the answer is lost."""
    planting.relabel(world, call, "dataops-spec", "sanotherspecification")
    raise LOST


@fault(12, "CreateCluster", at=Point.BEFORE)
def stale_request(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The request id was used before: the answer is the old operation, done, of a cluster that is gone; nothing is made."""
    planting.stale_request(world, call)
    return None


@fault(13, "SubmitJob", at=Point.REPLY)
def submit_reply_lost(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The job is taken, and the answer is lost."""
    raise LOST


@fault(14, "SubmitJob", at=Point.COMMITTED)
def submit_exists(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The job is taken, the request id forgotten, and the answer is ALREADY_EXISTS."""
    world.forget(call.project, call.region, call.request_id)
    raise Refusal("ALREADY_EXISTS", f"Already exists: Job {call.name}")


@fault(14, "SubmitJob", at=Point.BEFORE)
def foreign_job(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """A job of somebody else bears the id already."""
    planting.foreign_job(world, call)
    return None


@fault(15, "SubmitJob", at=Point.FATE)
def driver_dies(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The driver is killed ``after`` seconds (0.3): the job is in ERROR."""
    return _strike("driver", args)


@fault(15, "SubmitJob", at=Point.FATE)
def scheduler_dies(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The Dask scheduler of the cluster is killed ``after`` seconds (0.3) of the job."""
    return _strike("scheduler", args)


@fault(16, "SubmitJob", at=Point.FATE)
def workers_preempted(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """All Dask workers are killed ``after`` seconds (0.3) of the job, and none comes back."""
    return _strike("workers", args)


@fault(17, "SubmitJob", at=Point.FATE)
def driver_hangs(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The driver is stopped (SIGSTOP) ``after`` seconds (0.3): the job says RUNNING, and gives no sign of life."""
    return _strike("stop", args)


@fault(18, "CancelJob", at=Point.FATE)
def cancel_stuck(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The job stays CANCEL_PENDING for ever, and its driver goes on."""
    return {"cancel_stuck": True}


@fault((2, 19, 20, 21, 22), *POLLS, "CreateCluster", "SubmitJob", "CancelJob", "DeleteCluster", at=Point.REPLY)
def reply_held(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The call takes effect, and its answer is held back (of ``method``, else of any) until the caller is gone: time to kill it."""
    planting.wait_for_caller(call.active, float(args.get("seconds", 60)))
    raise LOST


@fault((1, 2), "InstantiateInlineWorkflowTemplate", at=Point.FATE)
def workflow_pending(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The workflow has no cluster for ``seconds`` (30)."""
    return {"pending": float(args.get("seconds", 30))}


@fault(23, "CancelOperation", at=Point.BEFORE, times=3)
def stop_unavailable(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """Stopping a workflow is refused with ``code``, else UNAVAILABLE, three times in a row."""
    raise Refusal(args.get("code", "UNAVAILABLE"), "The service is currently unavailable.")


@fault(23, "DeleteCluster", at=Point.BEFORE, times=3)
def delete_unavailable(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """Deleting is refused with ``code``, else UNAVAILABLE, three times in a row."""
    raise Refusal(args.get("code", "UNAVAILABLE"), "The service is currently unavailable.")


@fault(23, "DeleteCluster", at=Point.FATE)
def delete_operation_fails(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """Deleting is taken, its operation ends with INTERNAL, and the cluster is as before."""
    return {"fails": True}


@fault(23, "DeleteCluster", at=Point.FATE)
def delete_stuck(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The cluster stays DELETING, and its operation never ends."""
    return {"stuck": True}


@fault(23, "DeleteCluster", at=Point.REPLY)
def delete_reply_lost(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The cluster is being deleted, and the answer is lost."""
    raise LOST


@fault(24, "DeleteCluster", at=Point.BEFORE)
def delete_finds_nothing(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The cluster is gone a moment before it is to be deleted."""
    planting.remove(world, call)
    return None


@fault(24, "DeleteCluster", at=Point.BEFORE)
def delete_finds_namesake(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The cluster is gone a moment before, and somebody else's bears its name: another UUID."""
    planting.remove(world, call)
    planting.foreign(world, call.project, call.region, call.name)
    return None


@fault(25, "SubmitJob", at=Point.FATE)
def ttl_mid_job(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """``after`` seconds (0.3) into the job, the project's clock jumps to the end of the cluster's ``auto_delete_ttl``."""
    return _strike("ttl", args)


@fault(26, "SubmitJob", at=Point.FATE)
def log_missing(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """No part of the driver's output is ever written."""
    return {"log": "missing"}


@fault(26, "SubmitJob", at=Point.FATE)
def log_rotated(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """The driver's output is cut into parts of ``bytes`` (256), and the first part disappears when the job has ended."""
    return {"log": "rotated", "bytes": args.get("bytes", 256)}


@fault(
    27, "CreateCluster", "SubmitJob", "DeleteCluster", "CancelJob", "UpdateCluster", *POLLS, at=Point.BEFORE, times=999
)
def no_calls(world: World, call: Call, args: Mapping[str, Any]) -> Fate | None:
    """No call is to come at all: each one is refused with FAILED_PRECONDITION and counted as ``forbidden``."""
    world.project(call.project).forbidden += 1
    raise Refusal("FAILED_PRECONDITION", "no call should have come")
