# SPDX-License-Identifier: Apache-2.0
"""The faults of the table in docs/adr/0040 as cases: what strikes, and what has to come of it.

``test_faults.py`` walks them through the client's performer, ``test_faults_through_operator.py`` through the operator in an Airflow.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.services.dataproc_fake.running import ROOT, Project

LONG = {"args": {"seconds": 600}}
FAILS = {"args": {"fail": True}}
STORM = ("DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
# Codes after which another try would end the same; all others may pass.
FINAL = {
    "FOREIGN_CLUSTER", "FOREIGN_JOB", "INIT_ACTION_FAILED", "KMS_DENIED", "OVER_BUDGET", "PERMISSION_DENIED", "REQUEST_REFUSED", "TTL",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A fault, and what has to come of it.

    Attributes:
        fault: Its name; empty where it is the job's own.
        code: How the run ends; None for success.
        clusters: How many were made.
        jobs: How many were sent.
        left: How many clusters are still billed.
        note: Something that has to be told to people.
        log: Whether the failure names a log in the run's bucket.
        how: How the fault is armed.
        policy: What of the policy is another.
        job: What of the job is another.
        passes: Seconds of the project's time that pass at once when the fault has struck.
    """

    row: int
    fault: str
    code: str | None = None
    clusters: int = 1
    jobs: int = 1
    left: int = 0
    note: str = ""
    log: bool = False
    how: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    passes: float = 0.0

    def __str__(self) -> str:
        armed = "".join(f"-{name}-{value}" for name, value in self.how.items())
        return f"{self.row:02d}-{self.fault or 'function_raises'}{armed}"

    def arm(self, project: Project) -> None:
        """Arm the fault."""
        if self.fault:
            project.arm(self.fault, **self.how)
        if self.passes:
            threading.Thread(target=self._pass_time, args=(project,), daemon=True).start()

    def _pass_time(self, project: Project) -> None:
        project.wait(lambda: any(self.fault in call["faults"] for call in project.calls()))
        project.configure(advance=self.passes)


CASES = [
    Case(1, "create_reply_lost"),
    Case(1, "create_reply_lost", how={"code": "DEADLINE_EXCEEDED"}),
    Case(3, "create_stockout", clusters=2, note="STOCKOUT"),
    Case(3, "create_stockout_refused", note="STOCKOUT"),
    Case(4, "create_quota", "QUOTA", clusters=3, jobs=0),
    Case(4, "create_quota_refused", "QUOTA", clusters=0, jobs=0),
    Case(5, "create_invalid", "REQUEST_REFUSED", clusters=0, jobs=0),
    Case(5, "create_denied", "PERMISSION_DENIED", clusters=0, jobs=0),
    Case(5, "create_kms", "KMS_DENIED", jobs=0),
    Case(6, "create_stuck", clusters=2, note="CREATE_TIMEOUT", policy={"deadlines": {"create": "20m"}}, passes=1200),
    Case(7, "create_init_action_failed", "INIT_ACTION_FAILED", jobs=0, log=True),
    Case(8, "create_vanishes", clusters=2, note="CREATE_FAILED"),
    Case(8, "create_vanishes", clusters=2, note="RECREATE", how={"quiet": True}),
    *(Case(9, "polls_fail", how={"code": code, "times": 8, "nth": 4}) for code in STORM),
    Case(9, "polls_hang", how={"nth": 4, "times": 1, "seconds": 2}),
    Case(10, "foreign_cluster", "FOREIGN_CLUSTER", clusters=0, jobs=0),
    Case(11, "other_spec", clusters=2, note="REPLACED"),
    Case(12, "stale_request", note="STALE_REQUEST"),
    Case(13, "submit_reply_lost"),
    Case(14, "submit_exists"),
    Case(14, "foreign_job", "FOREIGN_JOB", jobs=0),
    Case(15, "driver_dies", "JOB_FAILED", job=LONG, log=True),
    Case(15, "", "JOB_FAILED", job=FAILS, log=True),
    Case(
        17, "driver_hangs", "HEARTBEAT_STALE", job=LONG, policy={"heartbeat_stale": "1m", "deadlines": {"cancel": "1m"}}
    ),
    Case(18, "cancel_stuck", "RUN_TIMEOUT", job=LONG, policy={"deadlines": {"run": "30s", "cancel": "20s"}}),
    Case(23, "delete_unavailable"),
    Case(23, "delete_unavailable", how={"code": "FAILED_PRECONDITION"}),
    Case(23, "delete_unavailable", "DELETE_STUCK", left=1, how={"times": 999}, policy={"deadlines": {"delete": "1m"}}),
    Case(23, "delete_stuck", "DELETE_STUCK", left=1, how={"times": 999}, policy={"deadlines": {"delete": "1m"}}),
    Case(23, "delete_reply_lost"),
    Case(23, "delete_operation_fails", note="DELETE_AGAIN"),
    Case(24, "delete_finds_nothing"),
    Case(24, "delete_finds_namesake"),
    Case(25, "ttl_mid_job", "TTL", job=LONG, log=True),
    Case(26, "log_missing"),
    Case(26, "log_rotated"),
]


def rows() -> set[int]:
    """Return the numbers of the table."""
    [page] = ROOT.glob("docs/adr/0040-*.md")
    return {int(number) for number in re.findall(r"^\| (\d+) \|", page.read_text(), re.MULTILINE)}


def check_project(case: Case, project: Project) -> None:
    """Check what was made of a case, what is left that bills, and that nothing of anybody else's was touched."""
    assert not case.fault or any(case.fault in call["faults"] for call in project.calls()), "the fault never struck"
    assert len(project.bill()["clusters"]) == case.clusters
    assert len(project.billing()) == case.left
    assert sent(project) == case.jobs
    assert foreigners(project) == []
    asked = project.calls("CreateCluster")
    assert len({call["request_id"] for call in asked}) == len({call["name"] for call in asked})


def sent(project: Project) -> int:
    """Return how many jobs of the project's own there are."""
    return sum(not job["foreign"] for job in project.fake.ask("jobs", project=project.id))


def foreigners(project: Project) -> list[Any]:
    """Return what was done to clusters of others."""
    return [one for one in project.fake.ask("strangers", project=project.id) if one["state"] != "RUNNING"]
