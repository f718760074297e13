# SPDX-License-Identifier: Apache-2.0
"""The API's OpenAPI document, with the schema of each version's event. Written by hand: it says what the library could not derive."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.metadata.batch import BATCH_BYTES, BATCH_EVENTS, UNVERSIONED
from airflow_dataops.core.metadata.versions import VERSIONS, Versions
from airflow_dataops.core.model import Model

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_FAULT = {
    "type": "object",
    "required": ["index", "reason", "path", "received", "valid"],
    "additionalProperties": False,
    "properties": {
        "index": {
            "type": ["integer", "null"],
            "description": "Place of the event in the list; null for a single event, or the whole.",
        },
        **dict.fromkeys(("reason", "path", "received", "valid"), _TEXT),
    },
}
_ERROR = {
    "type": "object",
    "required": ["code", "message", "hint", "request_id", "faults"],
    "additionalProperties": False,
    "properties": {
        "code": _TEXT,
        "message": _TEXT,
        "hint": {"type": ["string", "null"]},
        "request_id": _TEXT,
        "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}, "maxItems": 100},
    },
}
_ACCEPTED = {
    "type": "object",
    "required": ["accepted", "keys"],
    "additionalProperties": False,
    "properties": {
        "accepted": _COUNT,
        "keys": {"type": "array", "items": _TEXT, "description": "Idempotency keys, in the order of the events."},
    },
}
_READY = {
    "type": "object",
    "required": ["ready"],
    "additionalProperties": False,
    "properties": {"ready": {"type": "boolean"}, "code": _TEXT},
}
_RETRY = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 0}, "description": "Seconds."}}
_STATUS = {
    "401": "No valid token, or no client certificate.",
    "403": "The client certificate's name may not post events.",
    "408": "The body did not arrive in time.",
    "413": f"The body has more than {BATCH_BYTES} bytes, there are more than {BATCH_EVENTS} events, or one is too large.",
    "415": "No application/json in UTF-8, or an encoding other than gzip.",
    "422": "Events that cannot be taken; `faults` says which, where and why. None of the request was published.",
    "429": "Too much is being worked on; send it again.",
    "503": "Kafka does not answer; send it again. Some of the events may be published already, which does no harm.",
}


def openapi(versions: Versions = VERSIONS) -> dict[str, Any]:
    """Return the document for an API that takes these versions."""
    schemas: dict[str, Any] = {"Accepted": _ACCEPTED, "Error": _ERROR, "Fault": _FAULT, "Ready": _READY}
    events = {}
    for version in versions.all:
        schemas |= _schemas(version.model)
        events[version.name] = {"$ref": f"#/components/schemas/{version.model.__name__}"}
    paths = {f"/{name}/metadata": {"post": _post(name, [event])} for name, event in events.items()}
    paths["/metadata"] = {"post": _post(None, list(events.values()))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GPU metadata API",
            "version": versions.names[-1],
            "description": "Takes metadata events; 202 means that all replicas of Kafka have them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {**paths, **_PROBES},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, "certificate": {"type": "mutualTLS"}},
        },
    }


def _schemas(model: type[Model]) -> dict[str, Any]:
    made = model.model_json_schema(mode="validation", ref_template="#/components/schemas/{model}")
    return {**made.pop("$defs", {}), model.__name__: made}


def _post(version: str | None, events: list[dict[str, str]]) -> dict[str, Any]:
    one: dict[str, Any] = events[0] if len(events) == 1 else {"anyOf": events}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": BATCH_EVENTS}
    says = (
        f"Each event is of version {version}."
        if version
        else f"An event that does not say its version is {UNVERSIONED}."
    )
    return {
        "operationId": f"post_metadata_{version or 'unversioned'}",
        "summary": "Publish an event, or a list of events, all or none.",
        "description": says,
        "security": [{"token": []}, {"certificate": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": [one, many]}}}},
        "responses": {
            "202": _answer("All events are acknowledged by all replicas.", "Accepted"),
            **{
                status: {**_answer(text, "Error"), **({"headers": _RETRY} if status in ("429", "503") else {})}
                for status, text in _STATUS.items()
            },
        },
    }


def _answer(text: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}


def _get(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"operationId": name, "summary": summary, "security": [], "responses": answers}}


_PROBES: dict[str, Any] = {
    "/healthz": _get("healthz", "Is the process alive?", {"200": {"description": "It is."}}),
    "/readyz": _get(
        "readyz", "Can events be published?",
        {"200": _answer("They can.", "Ready"), "503": _answer("They cannot; `code` says why.", "Ready")},
    ),
    "/metrics": _get("metrics", "Figures for Prometheus.", {"200": {"description": "Prometheus's text format."}}),
}  # fmt: skip

__all__ = ["openapi"]
