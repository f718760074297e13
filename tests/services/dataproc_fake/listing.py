# SPDX-License-Identifier: Apache-2.0
"""Lists by filter, in pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.services.dataproc_fake.checking import invalid

_T = TypeVar("_T")
_TERM = re.compile(r"\s*([\w.-]+)\s*=\s*(\"[^\"]*\"|\S+)\s*")
_ACTIVE = {
    "cluster": {"CREATING", "UPDATING", "RUNNING", "STARTING", "REPAIRING"},
    "job": {"PENDING", "SETUP_DONE", "RUNNING", "CANCEL_PENDING", "CANCEL_STARTED", "ATTEMPT_FAILURE"},
}


def chosen(text: str, kind: str) -> Callable[[Any], bool]:
    """Return the test that a ``filter`` stands for: terms ``labels.key = value``, ``status.state = …``, ``clusterName = …`` joined by AND.

    Raises:
        Refusal: It is written otherwise.
    """
    terms = []
    for part in re.split(r"\s+AND\s+", text.strip()) if text.strip() else []:
        found = _TERM.fullmatch(part)
        if found is None:
            raise invalid(f"filter: {part!r} is not field = value")
        field, value = found[1], found[2].strip('"')
        if not (field.startswith("labels.") or field in ("status.state", "clusterName")):
            raise invalid(f"filter: unknown field {field!r}; labels.KEY, status.state or clusterName")
        terms.append((field, value))
    return lambda record: all(_holds(record, kind, field, value) for field, value in terms)


def _holds(record: Any, kind: str, field: str, value: str) -> bool:
    if field == "clusterName":
        return bool(record.body.cluster_name == value)
    if field == "status.state":
        active = record.state in _ACTIVE[kind]
        return {"ACTIVE": active, "INACTIVE": not active, "NON_ACTIVE": not active}.get(value, record.state == value)
    key = field.removeprefix("labels.")
    labels = record.body.labels
    return key in labels and (value == "*" or labels[key] == value)


def is_active(record: Any, kind: str) -> bool:
    """Tell whether a cluster or job has not ended."""
    return record.state in _ACTIVE[kind]


def page(found: Sequence[_T], size: int, token: str, most: int) -> tuple[Sequence[_T], str]:
    """Return a page and the token of the next one.

    Raises:
        Refusal: The token is none of ours.
    """
    if token and not re.fullmatch(r"after-\d+", token):
        raise invalid(f"page_token {token!r} is not one that was given")
    start = int(token.removeprefix("after-")) if token else 0
    end = start + min(size or most, most)
    return found[start:end], f"after-{end}" if end < len(found) else ""
