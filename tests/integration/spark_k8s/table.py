# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between an operator, the API server and a driver: what is done, and how the task has to end.

The rows of causes are also what ``record_diagnoses.py`` records for the unit tests of the diagnosis.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import arguments
from tests.integration.spark_k8s.running import Clock
from tests.services.kube.accounts import AIRFLOW, Namespace, pod, until
from tests.services.kube.api import STRATEGIC
from tests.services.kube.container import now
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.proxy import ALWAYS, Fault, Proxy

OOM = "podrunner.test/oom"
CONTAINER = "spark-kubernetes-driver"
# In a program's arguments: the address at which it asks whether it may end.
GATE = "{gate}"
HELD = ("lines.py", "8", "0", GATE)


@dataclass(frozen=True)
class Place:
    """Where a row is played.

    Attributes:
        namespace: Of the drivers.
        node: Runs them.
        gates: Where drivers ask whether they may end; None where no program of the test does.
        clock: What the runs of this process go by; None where no row lets it jump.
        proxy: Through which they reach the API server; None where no row looks at their calls.
    """

    namespace: Namespace
    node: PodRunner
    gates: Gates | None = None
    clock: Clock | None = None
    proxy: Proxy | None = None

    def answered(self, verb: str, kind: str, *statuses: int, times: int = 1) -> None:
        """Wait until a run has so many answers of one of these statuses to such calls."""
        calls = self.proxy.calls if self.proxy else []

        def seen() -> bool:
            found = [one for one in calls if (one.verb, one.kind) == (verb, kind) and one.status in statuses]
            return len(found) >= times

        until(seen)

    def let_end(self) -> None:
        """Let the drivers come to their end."""
        assert self.gates is not None
        self.gates.open.add("end")

    def pass_time(self) -> None:
        """Let so much time pass that nobody waits any longer."""
        assert self.clock is not None
        self.clock.jump(timedelta(hours=2))

    def driver(self) -> dict[str, Any]:
        """Return the present driver, as soon as its program runs."""

        def look() -> dict[str, Any] | None:
            found = self.namespace.api("GET", self.namespace.path("pods"), labelSelector="spark-role=driver")["items"]
            runs = [one for one in found if one["status"]["phase"] == "Running"]
            return runs[-1] if runs else None

        found: dict[str, Any] = until(look)
        return found

    def name(self) -> str:
        """Return the present driver's name, as soon as its program runs."""
        return str(self.driver()["metadata"]["name"])

    def delete(self, name: str, **options: Any) -> None:
        """Delete a pod by hand."""
        self.namespace.api("DELETE", self.namespace.path("pods", name), options or None)

    def status(self, name: str, **status: Any) -> None:
        """Write into a pod's status, as a kubelet or controller does."""
        self.namespace.api("PATCH", self.namespace.path("pods", f"{name}/status"), {"status": status}, STRATEGIC)

    def event(self, meta: dict[str, Any], reason: str, message: str) -> None:
        """Tell something about a pod."""
        kept = {name: meta[name] for name in ("namespace", "name", "uid")}
        body = {"metadata": {"name": f"{meta['name']}.{reason.lower()}"}, "reason": reason, "message": message}
        body |= {
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", **kept},
            "type": "Normal",
            "lastTimestamp": now(),
        }
        self.namespace.api("POST", self.namespace.path("events"), body)


Provoke = Callable[[Place], None]


@dataclass(frozen=True)
class Row:
    """What goes wrong, and how it has to end.

    Attributes:
        id: Its name.
        code: Code of the failure; empty for a success.
        hint: A part of what the task's last line has to say.
        final: True where a retry does not help, and Airflow is told so.
        faults: What a proxy does to the calls.
        before: What is done before the task begins.
        during: What is done while it runs, in a thread of its own.
        program: The program and its arguments.
        app: Fields of the program.
        policy: Fields of the policy.
        drivers: How many drivers there ever were.
        both: Both on the worker and in the trigger, in each CI run; else in turn.
        soak: In the soak only: another row is much like it.
    """

    id: str
    code: str = ""
    hint: str = ""
    final: bool = False
    faults: Callable[[], list[Fault]] = list
    before: Provoke = lambda place: None
    during: Provoke | None = None
    program: tuple[str, ...] = ("lines.py", "3", "0.2", GATE)
    app: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    drivers: int = 1
    both: bool = False
    soak: bool = False

    def __str__(self) -> str:
        return self.id

    def arguments(self, place: Place, *, deferrable: bool) -> dict[str, Any]:
        """Return the operator's arguments."""
        policy = {"start_timeout": "30m", "backoff_limit": "4s", "keep_failed_for": None, **self.policy}
        url = f"{place.gates.url}/end" if place.gates else ""
        program = [url if word == GATE else word for word in self.program]
        return arguments(place.namespace, *program, deferrable=deferrable, app=self.app, policy=policy)

    def play(self, place: Place, faults: Sequence[Fault] = ()) -> threading.Thread:
        """Do what is done; return the thread that goes on meanwhile.

        A driver that is to end well does so once all that has to come before its end has come.
        """
        self.before(place)
        thread = threading.Thread(target=self._meanwhile, args=(place, faults), daemon=True)
        thread.start()
        return thread

    def _meanwhile(self, place: Place, faults: Sequence[Fault]) -> None:
        if self.during is not None:
            self.during(place)
        for fault in faults:
            if fault.verb == "get":
                until(lambda fault=fault: fault.seen >= fault.nth + fault.times - 1)  # type: ignore[misc]
        if not self.code:
            place.let_end()


def _answers(status: int, verb: str, kind: str, nth: int = 1, times: int = 1, **more: Any) -> Callable[[], list[Fault]]:
    return lambda: [Fault("answer", verb, kind, nth, times, status=status, **more)]


def _does(deed: Any, verb: str, kind: str, nth: int = 1, times: int = 1, **more: Any) -> Callable[[], list[Fault]]:
    return lambda: [Fault(deed, verb, kind, nth, times, **more)]


def _after(status: int, verb: str, kind: str, **more: Any) -> Callable[[], list[Fault]]:
    return lambda: [Fault("answer", verb, kind, status=status, after=True, **more)]


def says(code: int, text: str) -> tuple[str, ...]:
    """Return the program that says this and exits so."""
    return ("says.py", str(code), base64.b64encode(text.encode()).decode())


def _restart(place: Place) -> None:
    place.driver()
    place.namespace.kube.restart()


def _pause(place: Place) -> None:
    place.driver()
    with place.namespace.kube.pause():
        threading.Event().wait(3)


# What happens to single calls: the run goes on, and there is one driver.
CALLS = [
    Row("create pod: answer lost", faults=_does("lose", "create", "pods"), both=True),
    Row("create pod: not heard, twice", faults=_does("refuse", "create", "pods", times=2)),
    Row("create pod: done, and answered with 500", faults=_after(500, "create", "pods")),
    Row("create pod: done, and answered with 504", faults=_after(504, "create", "pods"), soak=True),
    Row("create pod: 500 three times", faults=_answers(500, "create", "pods", times=3)),
    Row("create pod: 409 of nothing", faults=_answers(409, "create", "pods", message='pods "x" already exists')),
    Row("create pod: 429", faults=_answers(429, "create", "pods", times=2, headers={"Retry-After": "1"})),
    Row("create pod: 503", faults=_answers(503, "create", "pods", times=2, headers={"Retry-After": "1"}), soak=True),
    Row("create config: answer lost", faults=_does("lose", "create", "configmaps"), both=True),
    Row("create config: 500", faults=_answers(500, "create", "configmaps", times=2)),
    Row("create secret: answer lost", faults=_does("lose", "create", "secrets")),
    Row("create secret: 429", faults=_answers(429, "create", "secrets", headers={"Retry-After": "1"}), soak=True),
    Row("list: 410", faults=_answers(410, "list", "pods", times=2, message="Expired: too old resource version")),
    Row("list: 429", faults=_answers(429, "list", "pods", times=2, headers={"Retry-After": "1"}), soak=True),
    Row("looks: 500", faults=_answers(500, "get", "pods", nth=2, times=3)),
    Row("looks: 401 twice", faults=_answers(401, "get", "pods", nth=2, times=2)),
    Row("looks: dropped", faults=_does("lose", "get", "pods", nth=2, times=3)),
    Row("looks: late", faults=_does("delay", "get", "pods", nth=2, times=3, seconds=0.7)),
    Row("events: 500", faults=_answers(500, "list", "events", times=ALWAYS)),
    Row("delete: answer lost", faults=_does("lose", "delete", "pods"), both=True),
    Row("delete: 500 twice", faults=_answers(500, "delete", "pods", times=2), soak=True),
    Row("log: cut in the middle of a line", faults=_does("cut", "get", "pods/log", times=2, size=100), both=True),
    Row("log: 500", faults=_answers(500, "get", "pods/log", times=2), soak=True),
    Row("API server: killed and started anew", during=_restart, program=HELD),
    Row("API server: hangs", during=_pause, program=HELD),
]  # fmt: skip


def _quota(place: Place) -> None:
    place.namespace.quota(pods="0")


def _quota_for_a_while(place: Place) -> None:
    place.answered("create", "pods", 403)
    place.namespace.api("DELETE", place.namespace.path("resourcequotas", "quota"))


def _no_rights(place: Place) -> None:
    rbac = "rbac.authorization.k8s.io/v1"
    path = place.namespace.path("roles", "airflow", group=rbac)
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    place.namespace.api("PATCH", path, {"rules": rules}, "application/merge-patch+json")
    # The API server hears of roles by a watch of its own.
    until(lambda: not place.namespace.may(AIRFLOW, "create", "pods"))


def _foreign(place: Place) -> None:
    from airflow_dataops.core.identity import RunIdentity
    from airflow_dataops.core.spark_k8s.names import driver_name

    run = RunIdentity(instance="tests", dag_id="d", task_id="sum", run_id="manual__2026")
    place.namespace.api("POST", place.namespace.path("pods"), pod(driver_name(run, 1), "sleep", "600"))


def _evict(place: Place) -> None:
    place.node.evict(place.namespace.name, place.name())


def _lose(place: Place) -> None:
    place.node.lose(place.namespace.name, place.name())


def _by_hand(place: Place) -> None:
    place.delete(place.name())


def _by_force(place: Place) -> None:
    place.delete(place.name(), gracePeriodSeconds=0)


def _taint(place: Place) -> None:
    """Delete a pod as the controller does that watches for nodes which do not answer."""
    meta = place.driver()["metadata"]
    name, message = meta["name"], "Taint manager: deleting due to NoExecute taint"
    place.event(meta, "TaintManagerEviction", f"Marking for deletion Pod {meta['namespace']}/{name}")
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": message}
    place.status(name, conditions=[condition])
    place.delete(name)


def _executors(place: Place) -> None:
    """Make executors of the driver, as Spark does, that need more memory than they have; then it fails."""
    meta = place.driver()["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    for number in (1, 2):
        kept = {name: value for name, value in meta["labels"].items() if name.startswith(("dataops-", "managed-by"))}
        labels = kept | {"spark-role": "executor", "spark-exec-id": str(number)}
        one = pod(f"{meta['name']}-exec-{number}", "sh", "-c", "echo heap is low; sleep 60", labels=labels)
        one["metadata"] |= {"annotations": {OOM: "main"}, "ownerReferences": [owner]}
        place.namespace.api("POST", place.namespace.path("pods"), one)
    for number in (1, 2):
        place.namespace.wait(f"{meta['name']}-exec-{number}", "Failed")
    place.let_end()


def _waits_for(*reasons: str) -> Provoke:
    """Let the time for its start pass, once the driver's pod says why it waits."""

    def provoke(place: Place) -> None:
        path = place.namespace.path("pods")

        def says() -> bool:
            found = place.namespace.api("GET", path, labelSelector="spark-role=driver")["items"]
            return any(reason in json.dumps(one["status"]) for one in found for reason in reasons)

        until(says)
        place.answered("get", "pods", 200)  # it has looked: its time for the start began before
        place.pass_time()

    return provoke


def _answered(verb: str, kind: str, *statuses: int) -> Provoke:
    """Let the time pass, once the run has such an answer for the second time: it has acted on the first then, by the clock of before."""

    def provoke(place: Place) -> None:
        place.answered(verb, kind, *statuses, times=2)
        place.pass_time()

    return provoke


S3A = """Traceback (most recent call last):
  File "/opt/app/job.py", line 3, in <module>
    spark.read.parquet("s3a://bronze/x")
py4j.protocol.Py4JJavaError: An error occurred while calling o33.parquet.
: java.nio.file.AccessDeniedException: s3a://bronze/x: getFileStatus on s3a://bronze/x: InvalidAccessKeyId
Caused by: com.amazonaws.services.s3.model.AmazonS3Exception: The AWS Access Key Id you provided does not exist in our records. (Status Code: 403; Error Code: InvalidAccessKeyId)"""

# What happens to drivers: each has its code, its hint, and one driver.
CAUSES = [
    Row("IMAGE_PULL", "IMAGE_PULL", "image_pull_secrets", True, app={"image": "stand-in/missing:1"},
        policy={"image_pull_grace": "1s"}),
    Row("CONFIG_MISSING", "CONFIG_MISSING", 'secret "nowhere" not found', True,
        app={"secret_env": {"STORE_PASSWORD": {"name": "nowhere", "key": "k"}}}, during=_waits_for("CreateContainerConfigError")),
    Row("SCC_DENIED", "SCC_DENIED", "pod_template", True, drivers=0,
        app={"profile": "plain", "pod_template": {"spec": {"hostNetwork": True}}}),
    Row("QUOTA_EXCEEDED", "QUOTA_EXCEEDED", "ask for more quota", before=_quota, during=_answered("create", "pods", 403), drivers=0),
    Row("UNSCHEDULABLE", "UNSCHEDULABLE", "node", app={"driver": {"cores": 500}}, during=_waits_for("Unschedulable")),
    Row("DRIVER_OOM", "DRIVER_OOM", "driver.memory", True, program=HELD,
        app={"pod_template": {"metadata": {"annotations": {OOM: CONTAINER}}}}),
    Row("EVICTED", "EVICTED", "run it again", during=_evict, program=HELD, both=True),
    Row("NODE_LOST", "NODE_LOST", "kubectl describe node", during=_lose, program=HELD),
    Row("NODE_LOST by the taint manager", "NODE_LOST", "kubectl describe node", during=_taint, program=HELD),
    Row("DRIVER_DELETED", "DRIVER_DELETED", "find out who did it", during=_by_hand, program=HELD, both=True),
    Row("DRIVER_DELETED by force", "DRIVER_DELETED", "find out who did it", during=_by_force,
        program=HELD, soak=True),
    Row("DRIVER_DELETED though it returned 0", "DRIVER_DELETED", "find out who did it", during=_by_hand, program=("heeds.py",)),
    Row("EXECUTOR_OOM_LOOP", "EXECUTOR_OOM_LOOP", "executor.memory_overhead", True, during=_executors,
        program=("fails.py", GATE)),
    Row("APP_ERROR", "APP_ERROR", "no such column: tailnum", program=("bad.py",), both=True),
    Row("S3_AUTH", "S3_AUTH", "dataops check-s3", True, program=says(1, S3A)),
    Row("CLASS_NOT_FOUND", "CLASS_NOT_FOUND", "py_files", True, program=("imports.py",)),
]  # fmt: skip

# What else ends a task.
ENDINGS = [
    Row("create pod: 500 for ever", "UNREACHABLE", "try again later", faults=_answers(500, "create", "pods", times=ALWAYS),
        during=_answered("create", "pods", 500), drivers=0),
    Row("list: 503 for ever", "UNREACHABLE", "try again later", faults=_answers(503, "list", "pods", times=ALWAYS),
        during=_answered("list", "pods", 503), drivers=0),
    Row("no right to create", "PERMISSION_DENIED", "bind the role", True, before=_no_rights, drivers=0),
    Row("somebody else's pod", "FOREIGN_OBJECT", "delete or rename it yourself", True, before=_foreign, drivers=0),
    Row("a template that is refused", "REQUEST_REFUSED", "pod_template", True, drivers=0,
        app={"pod_template": {"spec": {"nodeSelector": {"a b": "c"}}}}),
    Row("the quota has room later", before=_quota, during=_quota_for_a_while),
    Row("RUN_TIMEOUT", "RUN_TIMEOUT", "policy.run_timeout", program=HELD, policy={"run_timeout": "1h"},
        during=_answered("get", "pods/log", 200)),
    Row("evicted, and made anew", during=_evict, program=HELD, policy={"attempts": 2}, drivers=2),
]  # fmt: skip

ROWS = [*CALLS, *CAUSES, *ENDINGS]

# What of a cause is not the plane's own doing; it is written into what is recorded.
ACTED = {
    "DRIVER_OOM": "the test node kills the container because an annotation asks for it",
    "EVICTED": "the test node writes the status of an eviction",
    "NODE_LOST": "the test node writes the status of a lost node",
    "NODE_LOST by the taint manager": "the test writes condition and event of the taint manager, which does not run",
    "EXECUTOR_OOM_LOOP": "the test makes the executors, with Spark's labels, and asks the test node to kill them",
    "S3_AUTH": "the log is constructed: Spark 3.5 with S3A and a wrong key",
    "CLASS_NOT_FOUND": "the image is a stand-in without Spark",
}
