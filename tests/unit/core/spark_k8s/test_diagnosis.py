# SPDX-License-Identifier: Apache-2.0
"""Each cause is known by its signs, and every input gives exactly one code.

The texts are those of Kubernetes 1.34, OpenShift's admission and Spark 3.5 and 4; where no comment says more, the case is constructed from them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.spark_k8s.diagnosis import diagnose
from airflow_dataops.core.spark_k8s.failures import CAUSES, DIAGNOSES, Reason
from airflow_dataops.core.spark_k8s.log_errors import read_errors
from airflow_dataops.core.spark_k8s.observation import (
    DRIVER_CONTAINER,
    ConditionView,
    ContainerView,
    EventView,
    ExecutorView,
    PodView,
)
from tests.unit.core.spark_k8s.views import died

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUOTA = 'pods "p2" is forbidden: exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=1500m, limited: requests.cpu=2'
SCC = 'pods "x" is forbidden: unable to validate against any security context constraint: [provider restricted-v2: .spec.fsGroup]'
PSA = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
LIMIT = 'pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi'
PYTHON = """\
26/11/21 12:00:01 INFO SparkContext: Running Spark version 3.5.7
Traceback (most recent call last):
  File "/opt/app/job.py", line 7, in <module>
    main()
ValueError: no such day: 2026-11-31
26/11/21 12:00:09 INFO ShutdownHookManager: Shutdown hook called
"""
PY4J = """\
Traceback (most recent call last):
  File "/opt/app/job.py", line 7, in <module>
    df.write.parquet("s3a://silver/x")
py4j.protocol.Py4JJavaError: An error occurred while calling o45.parquet.
: org.apache.spark.SparkException: Job aborted.
	at org.apache.spark.sql.X.y(X.scala:1)
Caused by: java.io.IOException: disk
	at a.B.c(B.java:2)
Caused by: java.lang.ArithmeticException: / by zero
	... 12 more
"""
S3A = """\
Traceback (most recent call last):
  File "/opt/app/job.py", line 3, in <module>
    spark.read.parquet("s3a://bronze/x")
py4j.protocol.Py4JJavaError: An error occurred while calling o33.parquet.
: java.nio.file.AccessDeniedException: s3a://bronze/x: getFileStatus on s3a://bronze/x: {0}
	at org.apache.hadoop.fs.s3a.S3AUtils.translateException(S3AUtils.java:255)
Caused by: com.amazonaws.services.s3.model.AmazonS3Exception: {0} (Service: Amazon S3; Status Code: 403; Error Code: {0})
	... 21 more
"""
NO_CLASS = """\
Exception in thread "main" org.apache.spark.SparkException: Failed
	at a.B.c(B.java:2)
Caused by: java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found
	... 9 more
"""
HEAP = """\
Exception in thread "main" java.lang.OutOfMemoryError: Java heap space
	at java.base/java.util.Arrays.copyOf(Arrays.java:3537)
"""
EXECUTORS = """\
26/11/21 12:00:01 ERROR TaskSchedulerImpl: Lost executor 1 on 10.0.0.7:
The executor with id 1 exited with exit code 137(SIGKILL, possible container OOM).
26/11/21 12:00:31 ERROR TaskSchedulerImpl: Lost executor 2 on 10.0.0.8:
The executor with id 2 exited with exit code 137(SIGKILL, possible container OOM).
"""


def box(**said: Any) -> ContainerView:
    return ContainerView(**{"name": DRIVER_CONTAINER, **said})


def pod(*boxes: ContainerView, **said: Any) -> PodView:
    return PodView(**{"name": "d", "uid": "u", "node": "node-1", "containers": boxes, **said})


def ended(code: int, reason: str = "Error", **said: Any) -> PodView:
    return pod(box(state="terminated", exit_code=code, reason=reason), phase="Failed", **said)


def waits(reason: str, message: str = "") -> PodView:
    return pod(box(state="waiting", reason=reason, message=message))


def told(reason: str, message: str = "") -> EventView:
    return EventView(reason=reason, message=message)


CASES: list[tuple[str, Reason, dict[str, Any]]] = [
    ("image backs off", Reason.IMAGE_PULL, {"pod": waits("ImagePullBackOff", 'Back-off pulling image "x:missing"')}),
    ("image is no name", Reason.IMAGE_PULL, {"pod": waits("InvalidImageName")}),
    ("image of a node is never pulled", Reason.IMAGE_PULL, {"pod": waits("ErrImageNeverPull")}),
    ("image is large", Reason.IMAGE_PULL, {"pod": waits("ContainerCreating"), "events": [told("Pulling", "x")]}),
    ("secret is missing", Reason.CONFIG_MISSING, {"pod": waits("CreateContainerConfigError", 'secret "s3" not found')}),
    ("volume is missing", Reason.CONFIG_MISSING, {"pod": waits("ContainerCreating"), "events": [told("FailedMount")]}),
    ("scc refuses", Reason.SCC_DENIED, {"pod": None, "said": SCC}),
    ("pod security refuses", Reason.SCC_DENIED, {"pod": None, "said": PSA}),
    (
        "image wants root",
        Reason.SCC_DENIED,
        {"pod": waits("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")},
    ),
    ("quota", Reason.QUOTA_EXCEEDED, {"pod": None, "said": QUOTA}),
    ("limit range", Reason.QUOTA_EXCEEDED, {"pod": None, "said": LIMIT}),
    ("quota, by an operator's word", Reason.QUOTA_EXCEEDED, {"pod": ended(1), "said": QUOTA}),
    ("no node", Reason.UNSCHEDULABLE, {"pod": pod(node=""), "events": [told("FailedScheduling", "0/3 nodes")]}),
    (
        "no node, by its condition",
        Reason.UNSCHEDULABLE,
        {
            "pod": pod(
                node="", conditions=(ConditionView(type="PodScheduled", status="False", message="Insufficient cpu"),)
            )
        },
    ),
    ("the scheduler is silent", Reason.UNSCHEDULABLE, {"pod": pod(node="")}),
    ("the node refuses", Reason.UNSCHEDULABLE, {"pod": pod(phase="Failed", reason="OutOfcpu")}),
    ("killed for memory", Reason.DRIVER_OOM, {"pod": ended(137, "OOMKilled")}),
    ("killed, nobody says why", Reason.DRIVER_OOM, {"pod": ended(137)}),
    ("heap is full", Reason.DRIVER_OOM, {"pod": ended(1), "log_tail": HEAP}),
    ("heap is full, the JVM left with 3", Reason.DRIVER_OOM, {"pod": ended(3), "log_tail": HEAP}),
    ("heap is full, by its code", Reason.DRIVER_OOM, {"pod": ended(52)}),
    (
        "Python is full",
        Reason.DRIVER_OOM,
        {"pod": ended(1), "log_tail": PYTHON.replace("ValueError: no such day: 2026-11-31", "MemoryError")},
    ),
    ("evicted", Reason.EVICTED, {"pod": pod(phase="Failed", reason="Evicted", message="low on memory")}),
    (
        "preempted",
        Reason.EVICTED,
        {"pod": ended(143, conditions=(ConditionView(type="DisruptionTarget", reason="PreemptionByScheduler"),))},
    ),
    ("node shuts down", Reason.NODE_LOST, {"pod": pod(phase="Failed", reason="Terminated", message="node shutdown")}),
    (
        "tainted",
        Reason.NODE_LOST,
        {"pod": ended(137, conditions=(ConditionView(type="DisruptionTarget", reason="DeletionByTaintManager"),))},
    ),
    ("nobody knows", Reason.NODE_LOST, {"pod": pod(box(state="running"), phase="Unknown")}),
    ("gone with its node", Reason.NODE_LOST, {"pod": None, "events": [told("NodeNotReady")]}),
    ("the node does nothing", Reason.NODE_LOST, {"pod": pod()}),
    ("gone", Reason.DRIVER_DELETED, {"pod": None}),
    ("told to stop", Reason.DRIVER_DELETED, {"pod": ended(143)}),
    ("deleted while it ran", Reason.DRIVER_DELETED, {"pod": ended(137, deleting_since=NOW)}),
    ("executors killed", Reason.EXECUTOR_OOM_LOOP, {"pod": ended(1), "executors": [died("e-1"), died("e-2")]}),
    ("executors killed, by the log", Reason.EXECUTOR_OOM_LOOP, {"pod": ended(1), "log_tail": EXECUTORS + PYTHON}),
    ("too many lost", Reason.EXECUTOR_OOM_LOOP, {"pod": ended(11), "executors": [died("e-1")]}),
    ("one executor killed", Reason.APP_ERROR, {"pod": ended(1), "executors": [died("e-1")], "log_tail": PYTHON}),
    ("exit 1", Reason.APP_ERROR, {"pod": ended(1), "log_tail": PYTHON}),
    ("exit 3", Reason.APP_ERROR, {"pod": ended(3)}),
    ("wrong key", Reason.S3_AUTH, {"pod": ended(1), "log_tail": S3A.format("InvalidAccessKeyId")}),
    ("wrong secret", Reason.S3_AUTH, {"pod": ended(1), "log_tail": S3A.format("SignatureDoesNotMatch")}),
    ("no right", Reason.S3_AUTH, {"pod": ended(1), "log_tail": S3A.format("Forbidden")}),
    ("a 403 that was survived", Reason.APP_ERROR, {"pod": ended(1), "log_tail": S3A.format("Forbidden") + PYTHON}),
    (
        "a 403 of another service",
        Reason.APP_ERROR,
        {"pod": ended(1), "log_tail": PYTHON.replace("no such day", "HTTP 403 of the wiki")},
    ),
    ("no class", Reason.CLASS_NOT_FOUND, {"pod": ended(1), "log_tail": NO_CLASS}),
    ("no class, by its code", Reason.CLASS_NOT_FOUND, {"pod": ended(101)}),
    (
        "no module",
        Reason.CLASS_NOT_FOUND,
        {
            "pod": ended(1),
            "log_tail": PYTHON.replace("ValueError: no such day", "ModuleNotFoundError: No module named 'delta'"),
        },
    ),
    ("the cluster's deadline", Reason.RUN_TIMEOUT, {"pod": pod(phase="Failed", reason="DeadlineExceeded")}),
]


@pytest.mark.parametrize(("code", "given_"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_cause_is_known_by_its_signs(code: Reason, given_: dict[str, Any]) -> None:
    found = diagnose(**given_)
    assert found.code is code
    assert found.hint
    assert "\n" not in found.message


def test_every_code_has_a_case() -> None:
    assert {code for _, code, _ in CASES} == set(DIAGNOSES)


def test_every_reason_is_explained_once() -> None:
    assert set(CAUSES) == set(Reason)


def test_a_secret_that_is_missing_is_named() -> None:
    found = diagnose(waits("CreateContainerConfigError", 'secret "s3" not found'))
    assert 'secret "s3" not found' in found.message
    assert found.evidence == ('secret "s3" not found',)


def test_a_registry_that_is_slow_may_answer_the_next_try() -> None:
    assert diagnose(waits("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout")).retryable
    assert not diagnose(waits("ErrImagePull", "manifest unknown")).retryable


def test_an_expired_token_of_the_store_may_be_new_for_the_next_try() -> None:
    assert diagnose(ended(1), log_tail=S3A.format("ExpiredToken")).retryable
    assert not diagnose(ended(1), log_tail=S3A.format("InvalidAccessKeyId")).retryable


def test_the_last_errors_of_both_languages_are_told() -> None:
    found = diagnose(ended(1), log_tail=PY4J)
    assert "py4j.protocol.Py4JJavaError: An error occurred while calling o45.parquet." in found.message
    assert "caused by java.lang.ArithmeticException: / by zero" in found.message


def test_the_last_lines_of_executors_are_told() -> None:
    found = diagnose(ended(1), executors=[died("e-1"), died("e-2")])
    assert found.message == "executors were killed for their memory 2 times"
    assert "e-2: ERROR heap is low" in found.evidence
    assert "e-1: OOMKilled, exit code 137" in found.evidence


def test_an_executor_that_is_started_again_and_again_is_a_loop() -> None:
    restarted = died(
        "e-1", state="waiting", reason="CrashLoopBackOff", exit_code=None, restarts=3, last_reason="OOMKilled"
    )
    assert diagnose(ended(1), executors=[restarted]).code is Reason.EXECUTOR_OOM_LOOP


@pytest.mark.parametrize("code", [2, 11, 50, 53, 126, 127, 128, 134, 139])
def test_what_an_exit_code_means_is_said(code: int) -> None:
    assert f"exit code {code}: " in diagnose(ended(code)).message


def test_a_sidecar_does_not_stand_for_the_driver() -> None:
    proxy = ContainerView(name="proxy", state="terminated", exit_code=137, reason="OOMKilled")
    assert diagnose(pod(proxy, box(state="terminated", exit_code=4), phase="Failed")).code is Reason.APP_ERROR


class TestLog:
    def test_timestamps_of_the_server_are_no_part_of_a_line(self) -> None:
        stamped = "".join(f"2026-11-21T12:00:00.123456789Z {line}\n" for line in PYTHON.splitlines())
        assert read_errors(stamped).python == "ValueError: no such day: 2026-11-31"

    def test_a_head_that_is_cut_off_does_not_matter(self) -> None:
        assert read_errors(PYTHON.split("<module>\n")[1]).python == "ValueError: no such day: 2026-11-31"

    def test_the_root_of_a_chain_counts(self) -> None:
        assert read_errors(PY4J).java == "java.lang.ArithmeticException: / by zero"

    def test_an_error_from_before_the_last_one_does_not_count(self) -> None:
        assert read_errors(NO_CLASS + PYTHON).java == ""

    def test_a_log_without_an_error_has_none(self) -> None:
        assert read_errors("INFO all is well\n").evidence == ()


texts = st.text(max_size=20) | st.sampled_from(
    [PYTHON, PY4J, S3A, HEAP, NO_CLASS, EXECUTORS, QUOTA, SCC, "OOMKilled", "Evicted"]
)
boxes = st.builds(
    ContainerView,
    name=st.sampled_from([DRIVER_CONTAINER, "proxy"]),
    state=st.sampled_from(["", "waiting", "running", "terminated"]),
    reason=texts,
    message=texts,
    exit_code=st.none() | st.integers(0, 255),
    restarts=st.integers(0, 3),
)
pods = st.builds(
    PodView,
    name=st.just("d"),
    uid=st.just("u"),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown", "?"]),
    reason=texts,
    message=texts,
    node=st.sampled_from(["", "n"]),
    deleting_since=st.none() | st.just(NOW),
    containers=st.lists(boxes, max_size=2).map(tuple),
    conditions=st.lists(st.builds(ConditionView, type=texts, reason=texts), max_size=2).map(tuple),
)
events = st.lists(st.builds(EventView, reason=texts, message=texts), max_size=3)
dead = st.lists(st.builds(died, st.sampled_from(["e-1", "e-2"]), exit_code=st.none() | st.integers(0, 255)), max_size=3)


@given(st.none() | pods, events, dead, texts, texts)
def test_every_input_gives_one_code(
    one: PodView | None, said: list[EventView], lost: list[ExecutorView], log_tail: str, refusal: str
) -> None:
    found = diagnose(one, said, lost, log_tail, refusal)
    assert found.code in DIAGNOSES
    assert found.message
    assert found.hint


@given(st.text(alphabet=st.sampled_from("aE: \n\tTraceback(most)recnlsdCuyjv.xp"), max_size=300))
def test_any_log_can_be_read(log_tail: str) -> None:
    assert len(read_errors(log_tail).block) <= log_tail.count("\n") + 1
