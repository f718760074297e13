# SPDX-License-Identifier: Apache-2.0
"""What the errors of Kafka, librdkafka and a probe mean for a check."""

from __future__ import annotations

from airflow_dataops.core.kafka_health.causes import (
    BASTION_REFUSED,
    BASTION_UNREACHABLE,
    DENIED,
    REFUSED,
    SOON,
    UNSTABLE,
)
from airflow_dataops.core.kafka_health.codes import UNKNOWNS, Code
from airflow_dataops.core.kafka_health.snapshot import ReadError

# Not here: _NOENT, _UNKNOWN_PARTITION, _UNKNOWN_TOPIC. librdkafka says them of a missing topic, a missing right and a broker that is down.
_MEANINGS: dict[Code, tuple[str, ...]] = {
    Code.DENIED: tuple(DENIED),
    Code.UNAUTHENTICATED: (*REFUSED, BASTION_REFUSED),
    Code.NOT_READY: (*SOON, UNSTABLE, "REBALANCE_IN_PROGRESS"),
    Code.UNREACHABLE: (
        "_TRANSPORT",
        "_TIMED_OUT",
        "_ALL_BROKERS_DOWN",
        "_RESOLVE",
        "REQUEST_TIMED_OUT",
        "BROKER_NOT_AVAILABLE",
        "NETWORK_EXCEPTION",
        BASTION_UNREACHABLE,
    ),
}
_CODES = {name: code for code, names in _MEANINGS.items() for name in names} | {
    code.value: code for code in UNKNOWNS if code.value.startswith("PROBE_")
}


def code_of(error: ReadError | None) -> Code:
    """Return the code of an error; ``OFFSETS_UNKNOWN`` for one that says nothing more than that there was one."""
    return _CODES.get(error.code, Code.OFFSETS_UNKNOWN) if error else Code.OFFSETS_UNKNOWN


def words_of(error: ReadError) -> str:
    """Return an error in one line: its name, and what was said beside that."""
    said = " ".join(error.message.split())[:300]
    return f"{error.code}: {said}" if said else error.code
