# SPDX-License-Identifier: Apache-2.0
"""Which of the errors that a Kafka client tells is the cause, and which pass by themselves.

Standard library only: the probe's process loads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Told(NamedTuple):
    """An error as a client tells it: its name at Kafka or librdkafka, and words."""

    code: str
    message: str = ""


# The brokers have looked at the account, or at the certificate, and will not think otherwise a moment later.
REFUSED = frozenset(
    {"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "ILLEGAL_SASL_STATE", "_SSL"}
)
# It is let in, and may not see that.
DENIED = frozenset({"CLUSTER_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"})
# A broker is about to take over. librdkafka says of some that a retry is of no use.
SOON = frozenset(
    {
        *("COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "NOT_COORDINATOR_FOR_GROUP"),
        *("NOT_LEADER_FOR_PARTITION", "NOT_LEADER_OR_FOLLOWER", "LEADER_NOT_AVAILABLE", "REPLICA_NOT_AVAILABLE"),
        *("FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "OFFSET_NOT_AVAILABLE"),
    }
)
# Only says that there was no answer; the cause is told beside it, if at all.
_SILENT = frozenset({"_TRANSPORT", "_TIMED_OUT", "_TIMED_OUT_QUEUE", "_ALL_BROKERS_DOWN", "_WAIT_COORD", "_DESTROY"})
_ALERT = re.compile(r"SSL alert number (\d+)")
# Of certificates (bad, unsupported, revoked, expired, unknown, of no known authority, none), of access, and of a handshake as such.
_REFUSING = frozenset({40, 42, 43, 44, 45, 46, 48, 49, 116})
# Of OpenSSL, on our side: the broker's certificate is of no authority that we trust, or of another name; and the alerts above, as Python
# names them.
_OF_TLS = re.compile(
    r"certificate verify failed|ALERT_(?:HANDSHAKE_FAILURE|\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED)\b", re.ASCII
)
NO_ANSWER = "NO_ANSWER"
# A transaction is open that holds newer commits.
UNSTABLE = "UNSTABLE_OFFSET_COMMIT"
# Of the SSH server before the brokers: it, or one of them behind it; and it does not let the account in, or nobody knows its key.
BASTION_UNREACHABLE = "BASTION_UNREACHABLE"
BASTION_REFUSED = "BASTION_REFUSED"
# A new leader or coordinator is there after so many seconds, or not before the next look.
PATIENCE = 5.0


def plain(told: Told) -> Told:
    """Return an error by its proper name.

    Since TLS 1.3 a server refuses a client's certificate after the handshake, and that is told as a lost connection; so is, now and
    then, a handshake that we broke off.
    """
    if told.code != "_TRANSPORT":
        return told
    alert = _ALERT.search(told.message)
    of_tls = _OF_TLS.search(told.message) is not None or (alert is not None and int(alert[1]) in _REFUSING)
    return Told("_SSL", told.message) if of_tls else told


def cause_of(error: Told, heard: Iterable[Told]) -> Told:
    """Return why a call failed.

    Args:
        error: What the call told. A wrong password is no more than a time-out there.
        heard: What the client told beside it, oldest first.
    """
    if error.code not in _SILENT:
        return error
    told = list(heard)
    for wanted in (REFUSED, frozenset({"_RESOLVE", BASTION_UNREACHABLE})):
        for one in told:
            if one.code in wanted:
                return one
    for one in reversed(told):
        if one.code == "_TRANSPORT" and one.message:
            return Told(error.code, f"{error.message}; {one.message}" if error.message else one.message)
    return error


def refused(heard: Iterable[Told]) -> bool:
    """Tell whether the brokers do not let the account in, so that asking again is of no use."""
    return any(one.code in REFUSED for one in heard)


def patience_with(heard: Iterable[Told]) -> float | None:
    """Return for how many seconds more an answer may still come after what was told; None where nothing speaks against it.

    A broker that refuses the account may be the only one that does: the others are tried, each once. One that is down may be starting.
    """
    codes = {one.code for one in heard}
    if codes & REFUSED:
        return 0.5
    return PATIENCE if "_ALL_BROKERS_DOWN" in codes else None
