# SPDX-License-Identifier: Apache-2.0
"""The documents that the steps of a run leave in the lake: with what they ran, and what they found."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.model import Model
from airflow_dataops.core.tables import JobResult, JobSpec

_Document = TypeVar("_Document", bound=Model)


def layout_of(spec: JobSpec) -> RunLayout:
    """Return the paths of the run that ``spec`` belongs to."""
    return RunLayout(spec.lake, spec.run.pipeline, spec.run.key)


def write_spec(layout: RunLayout, spec: JobSpec) -> str:
    """Write the spec of a step; returns its path. A spec holds references to secrets, never their values."""
    return write_document(layout.step_spec(spec.task), spec)


def write_result(layout: RunLayout, result: JobResult) -> str:
    """Write the result of a step, also of a failed one; returns its path."""
    return write_document(layout.step_result(result.task), result)


def read_spec(layout: RunLayout, task: str, kind: type[_Document]) -> _Document | None:
    """Return the spec with which ``task`` last ran; None where it left none.

    Raises:
        StorageError: The document cannot be read or is not one (``RECORD_UNREADABLE``).
    """
    return read_document(layout.step_spec(task), kind)


def read_result(layout: RunLayout, task: str, kind: type[_Document]) -> _Document | None:
    """Return what ``task`` found when it last ran; None where it left no result.

    Args:
        layout: Paths of the run.
        task: Id of the task.
        kind: The result's model: ``GateResult``, ``RefineResult``, …

    Raises:
        StorageError: The document cannot be read or is not one (``RECORD_UNREADABLE``).
    """
    return read_document(layout.step_result(task), kind)


def write_document(path: str, document: Model) -> str:
    """Write a typed document as JSON, whole or not at all; returns its path."""
    storage_for(path).write_bytes(path, document.model_dump_json(indent=1).encode())
    return path


def read_document(path: str, kind: type[_Document]) -> _Document | None:
    """Return a typed document; None where there is no file.

    Raises:
        StorageError: It cannot be read or is not such a document (``RECORD_UNREADABLE``).
    """
    data = storage_for(path).read_bytes(path)
    if data is None:
        return None
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise StorageError(
            f"{path} is not a {kind.__name__}: {'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}",
            hint="it was written by another version or by hand: delete it and run the step again",
            code="RECORD_UNREADABLE",
        ) from error
