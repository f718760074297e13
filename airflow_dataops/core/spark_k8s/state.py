# SPDX-License-Identifier: Apache-2.0
"""What the machine remembers between two decisions: one document, which a trigger carries as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.model import Model
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.failures import Failure
from airflow_dataops.core.spark_k8s.log_cursor import LogCursor
from airflow_dataops.core.spark_k8s.observation import APP_ID, ApplicationView, Driver, ExecutorView, PodView

TRY = "dataops-try"  # the label that says which try of the task made a driver


class CallKind(StrEnum):
    """A call that changes something. Each is sent once; the machine decides about a repetition."""

    CREATE_POD = "create_pod"
    CREATE_APPLICATION = "create_application"
    CREATE_CONFIG = "create_config"
    CREATE_SECRET = "create_secret"  # noqa: S105 - a call, not a password
    CREATE_SERVICE = "create_service"
    DELETE_POD = "delete_pod"
    DELETE_APPLICATION = "delete_application"


class Patience(StrEnum):
    """How a run that is to end waits for the end of its driver."""

    WAIT = "wait"  # until it is gone
    SEND = "send"  # until the request to delete is taken: the process has seconds to live


class Phase(StrEnum):
    """What is being done."""

    FIND = "find"  # list what earlier tries left
    CREATE = "create"  # the driver is asked for, and nobody has said that it is there
    CHECK = "check"  # it is there; is it the only one?
    FURNISH = "furnish"  # it gets what it waits for: ConfigMap, Secret, Service
    WATCH = "watch"  # it starts or runs
    JUDGE = "judge"  # it has ended, or does not start, or is gone; find out why
    DROP = "drop"  # drivers were told to go
    END = "end"  # the outcome is known, and nothing is left to do


class Doomed(Model):
    """A driver of ours that has to go.

    Attributes:
        kind: The call that deletes it.
        name: Its name.
        uid: Its UID, which is the call's precondition: another object of that name is never touched.
        taken_at: When the request was taken; None while it was not.
        runs: It may be at work until it is gone: no other one is made before.
    """

    kind: CallKind
    name: str
    uid: str
    taken_at: AwareDatetime | None = None
    runs: bool = False


class Summary(Model):
    """What is told of a run beside success or failure.

    Attributes:
        app_id: Spark's application id; empty where no driver told one.
        application: Name of the SparkApplication; empty in mode direct.
        pod: Name of the driver pod.
        node: Where it was.
        attempt: Number of the driver.
        adopted: It was made by an earlier try.
        exit_code: Exit code of the driver; None where none was seen.
        result: What the driver wrote as its termination message.
        pending_seconds: From when it was made until it ran.
        run_seconds: From then until its end.
        executor_peak: Most executors that were seen to run at once.
    """

    app_id: str = ""
    application: str = ""
    pod: str = ""
    node: str = ""
    attempt: int = 0
    adopted: bool = False
    exit_code: int | None = None
    result: str = ""
    pending_seconds: float | None = None
    run_seconds: float | None = None
    executor_peak: int = 0


class Outcome(Model):
    """How a run ended.

    Attributes:
        failure: Why it failed; None where it succeeded.
        summary: What else is known.
        kept_until: Until when the failed driver should be left for a look; None where it was deleted.
        goes_on: The driver was left at work, for the next try to take over.
        left: Drivers that have ended, and that are to be deleted once this is told.
        log: How far the driver's log has been told, where the rest is for the task; None where it is not, or an older version speaks.
    """

    failure: Failure | None = None
    summary: Summary = Summary()
    kept_until: AwareDatetime | None = None
    goes_on: bool = False
    left: tuple[Doomed, ...] = ()
    log: LogCursor | None = None

    @property
    def ok(self) -> bool:
        """True where the driver was seen to succeed."""
        return self.failure is None


class State(Model):
    """All that is remembered.

    Attributes:
        identity: The run.
        mode: ``direct`` or ``crd``.
        own: Labels by which drivers of the run are known.
        spec: Hash of the program that is wanted.
        phase: What is being done.
        after: What follows once the doomed drivers are gone.
        patience: How long the end is waited for.
        try_number: Number of the task's try, counted from 1.
        since_try: First try of this life of the task: a success from before it was cleared is not taken over.
        floor: Lowest number that a new driver gets.
        attempt: Number of the driver in use or asked for next; 0 while nobody has looked.
        made: Drivers that this try asked for.
        yields: How often it gave way to another live driver.
        work_until: When everything but the clean-up has to be over.
        find_until: Until when the look at what is there may fail.
        asked_at: When the driver in use was asked for.
        waits_since: Since when it is waited for to run.
        runs_since: Since when it runs.
        pull_since: Since when its image cannot be pulled.
        drop_until: When the clean-up has to be over.
        settle_until: Until when a create request whose fate is unknown may still come true.
        unsure: A driver was asked for, and nobody has said what became of it.
        doubtful: An answer to the present create request was lost.
        doubt_until: Until when that request may still come true; the driver is not deleted before, so that its name stays taken.
        resend: The last call is to be sent once more.
        uid: UID of the driver in use: of the pod, or of the SparkApplication.
        adopted: It was made by an earlier try.
        to_make: What it still has to get.
        mended: How often what it waits for was made again.
        pod: The driver's pod as it was last seen.
        application: The SparkApplication as it was last seen.
        ended: How it ended, as soon as that was seen.
        lost: It is gone, and no end was seen.
        resumed: The state may be older than what has happened since: the driver has not been seen since another process took over.
        dead: Executors that died for their memory, the last few.
        executor_peak: Most executors that were seen to run at once.
        doomed: Drivers that have to go.
        why: Why a driver could not be made so far.
        outcome: How the run ended; the clean-up may be under way.
        errors: Failed calls in a row.
        refusals: How many of them, the last ones, were refused.
        polls: Looks at the driver so far.
        told: Codes of hints that people have been given.
    """

    schema_version: Literal[1] = 1
    identity: RunIdentity
    mode: Literal["direct", "crd"]
    own: dict[str, str]
    spec: str
    phase: Phase = Phase.FIND
    after: Phase = Phase.END
    patience: Patience = Patience.WAIT
    try_number: int = 1
    since_try: int = 1
    floor: int = 1
    attempt: int = 0
    made: int = 0
    yields: int = 0
    work_until: AwareDatetime
    find_until: AwareDatetime
    asked_at: AwareDatetime | None = None
    waits_since: AwareDatetime | None = None
    runs_since: AwareDatetime | None = None
    pull_since: AwareDatetime | None = None
    drop_until: AwareDatetime | None = None
    settle_until: AwareDatetime | None = None
    unsure: bool = False
    doubtful: bool = False
    doubt_until: AwareDatetime | None = None
    resend: bool = False
    uid: str = ""
    adopted: bool = False
    to_make: tuple[CallKind, ...] = ()
    mended: int = 0
    pod: PodView | None = None
    application: ApplicationView | None = None
    ended: Stage | None = None
    lost: bool = False
    resumed: bool = False
    dead: tuple[ExecutorView, ...] = ()
    executor_peak: int = 0
    doomed: tuple[Doomed, ...] = ()
    why: Failure | None = None
    outcome: Outcome | None = None
    errors: int = 0
    refusals: int = 0
    polls: int = 0
    told: tuple[str, ...] = ()

    @property
    def only_leftovers(self) -> bool:
        """True where all that is to be done is to delete drivers that have ended: that can wait until the outcome is told."""
        doomed = self.doomed
        return (
            self.outcome is not None
            and self.phase is Phase.DROP
            and self.patience is Patience.WAIT
            and not self.unsure
            and bool(doomed)
            and not any(one.runs or one.taken_at for one in doomed)
        )

    @property
    def direct(self) -> bool:
        """True where the driver is a pod of our own making."""
        return self.mode == "direct"

    @property
    def name(self) -> str:
        """Name of the driver in use, or asked for next."""
        return names.driver_name(self.identity, max(self.attempt, 1))

    @property
    def pod_name(self) -> str:
        """Name of the driver's pod: our own, what the operator says, or else what the pod with our labels is called; empty before."""
        if self.direct:
            return self.name
        told = self.application.driver_pod if self.application is not None else ""
        return told or (self.pod.name if self.pod is not None else "")

    @property
    def driver(self) -> Driver | None:
        """What was last seen of the driver."""
        return self.pod if self.direct else self.application

    @property
    def app_id(self) -> str:
        """Spark's application id; empty while it is not known."""
        told = self.application.app_id if self.application is not None else ""
        return told or (self.pod.labels.get(APP_ID, "") if self.pod is not None else "")

    def with_doomed(self, *drivers: Doomed) -> tuple[Doomed, ...]:
        """Return the doomed drivers with these added, each once."""
        known = {doomed.uid for doomed in self.doomed}
        return (*self.doomed, *(one for one in drivers if one.uid and one.uid not in known))
