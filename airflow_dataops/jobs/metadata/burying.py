# SPDX-License-Identifier: Apache-2.0
"""Dead letters: sent, and acknowledged before anything is committed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late

from airflow_dataops.clients.metadata.ports import Publisher
from airflow_dataops.core.errors import DataOpsError, TransientError
from airflow_dataops.core.metadata.dead_letter import Outgoing, cut

TOO_LARGE = "KAFKA_RECORD_TOO_LARGE"
_SECONDS = 120.0


def send_all(publisher: Publisher, records: Sequence[Outgoing]) -> list[DataOpsError | None]:
    """Send records, and return for each why it can never be sent; None where it is acknowledged.

    Raises:
        TransientError: A broker did not acknowledge one in time; others may be there.
        DataOpsError: One is refused for another reason than its size.
    """
    sent: list[Future[None] | DataOpsError] = [_sent(publisher, record) for record in records]
    return [_outcome(one) for one in sent]


def bury_all(publisher: Publisher, letters: Sequence[Outgoing]) -> int:
    """Send dead letters until each is acknowledged, and return how many had to be cut.

    A letter that its topic refuses as too large is sent alone once more: what was refused may be the batch that it was in. If it is refused
    again, it goes without the original, which lies in its own topic and in the archive: it must not stop the worker for ever.

    Raises:
        TransientError: A broker did not acknowledge one in time.
        DataOpsError: The topic takes none: it is not there, or may not be written.
    """
    count = 0
    for letter, error in zip(letters, send_all(publisher, letters), strict=True):
        if error is not None and send_all(publisher, [letter])[0] is not None:
            count += 1
            found = send_all(publisher, [cut(letter)])[0]
            if found is not None:
                raise found
    return count


def _sent(publisher: Publisher, record: Outgoing) -> Future[None] | DataOpsError:
    try:
        try:
            return publisher.send(record)
        except TransientError:
            publisher.flush(_SECONDS)  # too much is in flight
            return publisher.send(record)
    except DataOpsError as error:
        return _too_large(error)


def _outcome(sent: Future[None] | DataOpsError) -> DataOpsError | None:
    if isinstance(sent, DataOpsError):
        return sent
    try:
        sent.result(_SECONDS)
    except Late:
        raise TransientError(f"a record was not acknowledged in {_SECONDS:.0f} s", code="KAFKA_UNREACHABLE") from None
    except DataOpsError as error:
        return _too_large(error)
    return None


def _too_large(error: DataOpsError) -> DataOpsError:
    if error.code != TOO_LARGE:
        raise error
    return error


__all__ = ["TOO_LARGE", "bury_all", "send_all"]
