# SPDX-License-Identifier: Apache-2.0
"""What Kafka's client says went wrong -> an error with a cause."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.errors import DataOpsError, InputError, SpecError, StorageDenied, TransientError

_TOO_LARGE = {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "_MSG_SIZE_TOO_LARGE"}
_DENIED = {
    "TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
}  # fmt: skip
_NOT_LET_IN = {"_AUTHENTICATION", "_SSL", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM"}
_NO_TOPIC = {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "TOPIC_EXCEPTION", "UNKNOWN_TOPIC_ID"}
_SETTINGS = {"_INVALID_ARG", "_CONFLICT"}


class BufferFull(TransientError):
    """More bytes wait for the broker than may; nothing was taken."""

    default_code = "KAFKA_BUFFER_FULL"


class KafkaAway(TransientError):
    """No broker took or answered it in time; whether it is there nobody knows."""

    default_code = "KAFKA_UNREACHABLE"


def tells_why(error: Any) -> bool:
    """Tell whether it is the cause for which later requests only time out: credentials, certificate, or a right that is missing."""
    return error.name() in _NOT_LET_IN | _DENIED


def error_of(error: Any, doing: str, cause: Any = None) -> DataOpsError:
    """Return the error for a ``KafkaError``.

    Args:
        error: What the client says.
        doing: What was done: ``topic gpu-metadata``.
        cause: What brokers were last heard to refuse this client for, if anything (:func:`tells_why`).

    Returns:
        ``KAFKA_RECORD_TOO_LARGE``, ``KAFKA_DENIED``, ``KAFKA_AUTHENTICATION``, ``KAFKA_NO_TOPIC``, ``KAFKA_SETTINGS``; anything else may
        pass: ``KAFKA_UNREACHABLE``.
    """
    name, said = error.name(), f"{doing}: {error.str()} ({error.name()})"
    if name in _TOO_LARGE:
        hint = "raise max.message.bytes of the topic and message.max.bytes of the producer, or send a smaller event"
        return InputError(said, hint=hint, code="KAFKA_RECORD_TOO_LARGE")
    if name in _NO_TOPIC:
        return InputError(said, hint="create the topic", code="KAFKA_NO_TOPIC")
    if name in _SETTINGS:
        return SpecError(said, hint="look at the properties of --config", code="KAFKA_SETTINGS")
    if name in _DENIED:
        return StorageDenied(said, hint="give this user WRITE and DESCRIBE on the topic", code="KAFKA_DENIED")
    if name in _NOT_LET_IN:
        hint = "look at security.protocol, the user and password, and the certificates"
        return StorageDenied(said, hint=hint, code="KAFKA_AUTHENTICATION")
    if cause is not None:
        return error_of(cause, doing)
    return KafkaAway(said, hint="is the broker up, and its address right? Trying again does no harm")


__all__ = ["BufferFull", "KafkaAway", "error_of", "tells_why"]
