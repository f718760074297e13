# SPDX-License-Identifier: Apache-2.0
"""A second version of the event as it might come one day, for the tests of what happens then."""

from __future__ import annotations

from typing import Any, Literal

from airflow_dataops.core.metadata.event import EventV1, Extracted, ObjectRef, Part, Source
from airflow_dataops.core.metadata.fields import Key, Moment, Name
from airflow_dataops.core.metadata.versions import Document, Version, Versions
from tests.unit.core.metadata.events import event


class EventV2(Part):
    """A made-up second version: the object is called ``subject``, and a team is required."""

    schema_version: Literal["v2"] = "v2"
    idempotency_key: Key
    team: Name
    source: Source
    subject: ObjectRef
    extracted: Extracted
    extracted_at: Moment
    note: Name | None = None


def lift(document: Document) -> Document:
    made = {name: value for name, value in document.items() if name != "object"}
    return {**made, "subject": document["object"], "team": "unknown"}


V1 = Version("v1", EventV1)
BOTH = Versions(V1, Version("v2", EventV2, lift))
NEW = {"schema_version": "v2", "team": "vision", "idempotency_key": "k", "subject": event()["object"]}


def new_event(**changes: Any) -> dict[str, Any]:
    return {**event(object=None), **NEW, **changes}
