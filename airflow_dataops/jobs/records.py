# SPDX-License-Identifier: Apache-2.0
"""The documents that the steps of a run leave in the lake: with what they ran, and what they found."""

from __future__ import annotations

import contextlib
from typing import TypeVar

from pydantic import ValidationError

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.model import Model
from airflow_dataops.core.tables import JobResult, JobSpec

_Document = TypeVar("_Document", bound=Model)
_Result = TypeVar("_Result", bound=JobResult)


def layout_of(spec: JobSpec) -> RunLayout:
    """Return the paths of the run that ``spec`` belongs to."""
    return RunLayout(spec.lake, spec.run.pipeline, spec.run.key)


def write_spec(layout: RunLayout, spec: JobSpec) -> str:
    """Write the spec of a step; returns its path. A spec holds references to secrets, never their values."""
    return write_document(layout.step_spec(spec.task), spec)


def write_result(layout: RunLayout, result: JobResult) -> str:
    """Write the result of a step, also of a failed one; returns its path."""
    return write_document(layout.step_result(result.task), result)


def write_step_spec(spec: JobSpec) -> str:
    """Write the spec of a step to the place that it names itself."""
    return write_spec(layout_of(spec), spec)


def write_step_result(spec: JobSpec, result: JobResult) -> str:
    """Write the result of the step that ran with ``spec``."""
    return write_result(layout_of(spec), result)


def withdraw_step_result(spec: JobSpec) -> None:
    """Take the result of an earlier try of the step off the record: what it speaks of is about to change."""
    path = layout_of(spec).step_result(spec.task)
    storage_for(path).delete(path)


def read_spec(layout: RunLayout, task: str, kind: type[_Document]) -> _Document | None:
    """Return the spec with which ``task`` last ran; None where it left none.

    Raises:
        StorageError: The document cannot be read or is not one (``RECORD_UNREADABLE``).
    """
    return read_document(layout.step_spec(task), kind)


def read_result(layout: RunLayout, task: str, kind: type[_Result]) -> _Result | JobResult | None:
    """Return what ``task`` found when it last ran; None where it left no result.

    Args:
        layout: Paths of the run.
        task: Id of the task.
        kind: The result's model: ``GateResult``, ``RefineResult``, …

    Returns:
        The result as ``kind``; a plain :class:`JobResult` with status ``failed`` where the step ended in an error.

    Raises:
        StorageError: The document cannot be read or is not one (``RECORD_UNREADABLE``).
    """
    path = layout.step_result(task)
    data = storage_for(path).read_bytes(path)
    if data is None:
        return None
    with contextlib.suppress(ValidationError):
        plain = JobResult.model_validate_json(data)
        if plain.status == "failed":
            return plain
    return _parse(path, data, kind)


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
    return None if data is None else _parse(path, data, kind)


def _parse(path: str, data: bytes, kind: type[_Document]) -> _Document:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise StorageError(
            f"{path} is not a {kind.__name__}: {'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}",
            hint="it was written by another version or by hand: delete it and run the step again",
            code="RECORD_UNREADABLE",
        ) from error
