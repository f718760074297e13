# SPDX-License-Identifier: Apache-2.0
"""What an error of Google's means: may it pass, what became of the cluster, and what to type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.model import Model


class Reason(StrEnum):
    """Why a run ended as it did; part of the public contract."""

    STOCKOUT = "STOCKOUT"
    QUOTA = "QUOTA"
    REFUSED = "REQUEST_REFUSED"
    PERMISSION = "PERMISSION_DENIED"
    KMS = "KMS_DENIED"
    NETWORK = "NETWORK"
    INIT_ACTION = "INIT_ACTION_FAILED"
    CREATE_TIMEOUT = "CREATE_TIMEOUT"
    CREATE_FAILED = "CREATE_FAILED"
    CLUSTER_ERROR = "CLUSTER_ERROR"
    CLUSTER_LOST = "CLUSTER_LOST"
    FOREIGN_CLUSTER = "FOREIGN_CLUSTER"
    FOREIGN_JOB = "FOREIGN_JOB"
    TTL = "TTL"
    SUBMIT_TIMEOUT = "SUBMIT_TIMEOUT"
    SUBMIT_FAILED = "SUBMIT_FAILED"
    JOB_FAILED = "JOB_FAILED"
    JOB_CANCELLED = "JOB_CANCELLED"
    JOB_LOST = "JOB_LOST"
    NO_WORKERS = "NO_WORKERS"
    RESULT_MISSING = "RESULT_MISSING"
    HEARTBEAT_STALE = "HEARTBEAT_STALE"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    CANCEL_STUCK = "CANCEL_STUCK"
    DEADLINE = "DEADLINE"
    DELETE_STUCK = "DELETE_STUCK"
    DELETE_REFUSED = "DELETE_REFUSED"
    OVER_BUDGET = "OVER_BUDGET"
    KILLED = "KILLED"
    UNREACHABLE = "UNREACHABLE"


class Remedy(StrEnum):
    """What the machine does about a cluster that could not be made."""

    NEXT_ZONE = "next_zone"
    LATER = "later"
    WAIT_FOR_QUOTA = "wait_for_quota"
    GIVE_UP = "give_up"


class Failure(Model):
    """Why something did not work.

    Attributes:
        code: Stable name.
        message: What happened, with Google's own words where there are any.
        hint: What to type or do next.
        retryable: True where another try of the task may do better.
        log_uri: Where the log is that says more.
        details: JSON facts.
    """

    code: Reason
    message: str
    hint: str | None = None
    retryable: bool = False
    log_uri: str | None = None
    details: dict[str, Any] = {}


TRANSIENT = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNKNOWN", "CANCELLED"}
)

_QUOTA = re.compile(r"quota", re.IGNORECASE)
_OBJECT = r"gs://[^\s'\",)]+"
_LOGS = (re.compile(rf"output in:?\s*({_OBJECT})", re.IGNORECASE), re.compile(f"({_OBJECT})"))


def is_transient(error: CallError) -> bool:
    """Tell whether the same call may work in a moment. A refused quota or a stock-out does not pass in a moment."""
    if error.code == "RESOURCE_EXHAUSTED":
        return not _is_quota(error.message) and not _CREATE_ERRORS[0].pattern.search(error.message)
    return error.code in TRANSIENT


@dataclass(frozen=True)
class _Known:
    pattern: re.Pattern[str]
    code: Reason
    remedy: Remedy
    hint: str


def _known(pattern: str, code: Reason, remedy: Remedy, hint: str) -> _Known:
    return _Known(re.compile(pattern, re.IGNORECASE), code, remedy, hint)


# The first that fits counts: Google reports a stock-out as an exhausted resource too, and a missing KMS grant as a denied permission.
_CREATE_ERRORS = (
    _known(
        r"resource_pool_exhausted|does not have enough resources|not enough resources available|stock-?out",
        Reason.STOCKOUT,
        Remedy.NEXT_ZONE,
        "name more zones, or give secondary.choices several machine types",
    ),
    _known(
        r"initialization action",
        Reason.INIT_ACTION,
        Remedy.GIVE_UP,
        "read the script's log on the node that failed, mend the script, and run again",
    ),
    _known(
        r"cloudkms|crypto ?key|\bkms\b",
        Reason.KMS,
        Remedy.GIVE_UP,
        "grant roles/cloudkms.cryptoKeyEncrypterDecrypter on the key to the Compute, Storage and Dataproc service agents",
    ),
    _known(
        r"\bquota",
        Reason.QUOTA,
        Remedy.WAIT_FOR_QUOTA,
        "ask for fewer or smaller machines, or for more quota of the region: gcloud compute regions describe REGION",
    ),
    _known(
        r"private google access|firewall|connectivity",
        Reason.NETWORK,
        Remedy.GIVE_UP,
        "gcloud compute networks subnets update SUBNET --region REGION --enable-private-ip-google-access; "
        "the firewall has to let the nodes talk to one another",
    ),
)
_BY_CODE = {
    "PERMISSION_DENIED": (Reason.PERMISSION, "grant the missing role; `dataops preflight` says which"),
    "UNAUTHENTICATED": (Reason.PERMISSION, "check the connection's account and its impersonation chain"),
    "INVALID_ARGUMENT": (Reason.REFUSED, "mend the value that Google names"),
    "FAILED_PRECONDITION": (Reason.REFUSED, "mend what Google names; `dataops preflight` looks at the usual ones"),
    "NOT_FOUND": (Reason.REFUSED, "something that the request names is not there; `dataops preflight` says what"),
    "UNIMPLEMENTED": (Reason.REFUSED, "this API or emulator does not do that"),
    "OUT_OF_RANGE": (Reason.REFUSED, "mend the value that Google names"),
}


def diagnose_create(error: CallError) -> tuple[Failure, Remedy]:
    """Return what an error of a create request, of its operation or of the cluster itself means, and what to do about it."""
    for known in _CREATE_ERRORS:
        if known.pattern.search(error.message):
            retryable = known.remedy is not Remedy.GIVE_UP
            return _failure(known.code, error, known.hint, retryable=retryable), known.remedy
    if error.code in _BY_CODE:
        code, hint = _BY_CODE[error.code]
        return _failure(code, error, hint), Remedy.GIVE_UP
    hint = "look at the cluster's operation in the console; another try may do better"
    return _failure(Reason.CREATE_FAILED, error, hint, retryable=True), Remedy.LATER


def diagnose_call(error: CallError, what: str, code: Reason = Reason.UNREACHABLE) -> Failure:
    """Return what an error of another call means that was not worth a repetition, or was repeated too often.

    Args:
        error: The answer.
        what: What was tried, for people: ``"list the run's clusters"``.
        code: The reason where the error's own code says no better one.
    """
    known, hint = _BY_CODE.get(error.code, (code, "try again later; `dataops preflight` looks at network and roles"))
    found = code if known is Reason.REFUSED else known
    return Failure(
        code=found,
        message=f"could not {what}: {error.code} {error.message}".strip(),
        hint=hint,
        retryable=is_transient(error),
    )


def diagnose_job(state: str, details: str, log_uri: str | None, result: tuple[str, str] | None) -> Failure:
    """Return why a job failed.

    Args:
        state: Its last state.
        details: Google's text.
        log_uri: Where its driver's output is.
        result: Code and message of its ``result.json``; None where it left none.
    """
    code, text = result or ("", details)
    if re.search(r"no_?workers?", f"{code} {text}", re.IGNORECASE):
        hint = "all workers were gone, as when spot machines are taken back: keep some standard ones, or run again"
        return Failure(code=Reason.NO_WORKERS, message=text, hint=hint, retryable=True, log_uri=log_uri)
    if state == "CANCELLED":
        message = f"the job was cancelled: {text}".rstrip(": ")
        return Failure(
            code=Reason.JOB_CANCELLED, message=message, hint="somebody or something stopped it", log_uri=log_uri
        )
    message = f"{code}: {text}" if code else text or f"the job ended as {state}"
    hint = "read the driver's log" + (f": {log_uri}" if log_uri else "")
    details_found = {"result_code": code} if code else {}
    return Failure(
        code=Reason.JOB_FAILED, message=message, hint=hint, retryable=True, log_uri=log_uri, details=details_found
    )


def was_ttl(seen_gone: datetime, expires: datetime | None, slack: timedelta = timedelta(minutes=3)) -> bool:
    """Tell whether a cluster that was found gone had reached its age; Google's clock and ours may differ by ``slack``."""
    return expires is not None and seen_gone >= expires - slack


def first_log(texts: Sequence[str]) -> str | None:
    """Return the address of a log that the texts name: where they say that output is, else their first object in a bucket.

    Google names the script that failed first, and its output after it.
    """
    found = (form.search(text) for form in _LOGS for text in texts)
    return next((one[1].rstrip(".") for one in found if one), None)


def _failure(code: Reason, error: CallError, hint: str, *, retryable: bool = False) -> Failure:
    message = error.message or error.code
    return Failure(code=code, message=message, hint=hint, retryable=retryable, log_uri=first_log([error.message]))


def _is_quota(message: str) -> bool:
    """A limit of requests a minute is called a quota too, but passes in a moment."""
    return bool(_QUOTA.search(message)) and not re.search(
        r"per (minute|second)|\brate\b|\brequests\b", message, re.IGNORECASE
    )
