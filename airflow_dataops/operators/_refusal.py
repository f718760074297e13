# SPDX-License-Identifier: Apache-2.0
"""Errors of ours as Airflow understands them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException

if TYPE_CHECKING:
    from airflow_dataops.core.errors import DataOpsError


def fail(error: DataOpsError) -> NoReturn:
    """Raise what Airflow understands, in one line: what may pass is retried, all else is not.

    Raises:
        AirflowFailException: The error, with its hint.
        TransientError: The error, with its hint.
    """
    from airflow_dataops.core.errors import TransientError

    line = " -> ".join(" ".join(part.split()) for part in (error.message, error.hint) if part)
    if error.to_dict()["retryable"]:
        raise TransientError(line, code=error.code) from error
    raise AirflowFailException(f"{error.code}: {line}") from error


def written(value: Any) -> Any:
    """Return a model as its author wrote it: what is not written there counts as not asked for."""
    return value.model_dump(mode="json", exclude_unset=True) if hasattr(value, "model_dump") else value
