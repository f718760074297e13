# SPDX-License-Identifier: Apache-2.0
"""Version 1 of a metadata event: what was found in one object by one model, in one notebook."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from airflow_dataops.core.metadata import limits
from airflow_dataops.core.metadata.canonical import digest, encode
from airflow_dataops.core.metadata.fields import (
    AttributeName,
    AttributeValue,
    Checksum,
    Count,
    Finite,
    Key,
    MediaType,
    Message,
    Moment,
    Name,
    Uri,
    invalid,
)
from airflow_dataops.core.model import Model

# Keys of the events that a check posts and removes again.
CHECK = "dataops-check."


class Part(Model):
    """A part of an event: types are not converted, ``"3"`` is no number."""

    model_config = ConfigDict(strict=True, ser_json_inf_nan="strings")


class Accelerator(Part):
    """What the extraction ran on.

    Attributes:
        kind: ``gpu``, ``tpu``, ``cpu`` or ``other``.
        name: As its driver calls it: ``NVIDIA A10G``.
    """

    kind: Literal["gpu", "tpu", "cpu", "other"]
    name: Name | None = None


class ModelRef(Part):
    """What extracted.

    Attributes:
        name: Name of the model.
        version: Its version; two versions are two sources.
    """

    name: Name
    version: Name | None = None


class Source(Part):
    """Where an event comes from.

    Attributes:
        notebook: Name or path of the notebook.
        accelerator: What it ran on.
        model: What extracted.
    """

    notebook: Name
    accelerator: Accelerator
    model: ModelRef


class ObjectRef(Part):
    """The object that was looked at.

    Attributes:
        uri: Where it lies; kept in its normal form (:func:`airflow_dataops.core.metadata.uris.normal`).
        checksum: Of its bytes: ``sha256:`` and 64 hex digits; also sha512, sha1, md5 and crc32c.
        size: Bytes.
        media_type: ``image/png``.
    """

    uri: Uri
    checksum: Checksum
    size: Count
    media_type: MediaType


class Label(Part):
    """What a model saw.

    Attributes:
        name: The class.
        score: How sure it is, 0..1.
    """

    name: Name
    score: Annotated[Finite, Field(ge=0, le=1)]


class Image(Part):
    """An image in the object.

    Attributes:
        name: Which one, where there are several: a frame, a page.
        width: Pixels.
        height: Pixels.
        channels: 3 for RGB.
        format: ``png``.
        labels: What was seen in it, in the model's order.
        embedding: A vector that stands for it.
    """

    name: Name | None = None
    width: int = Field(ge=1, le=1_000_000)
    height: int = Field(ge=1, le=1_000_000)
    channels: int | None = Field(default=None, ge=1, le=4096)
    format: Name | None = None
    labels: list[Label] = Field(default=[], max_length=limits.LABELS)
    embedding: list[Finite] = Field(default=[], max_length=limits.EMBEDDING)


class LogLine(Part):
    """A kind of line in a log.

    Attributes:
        level: How grave.
        message: The line, or what such lines have in common.
        count: How often it stands there.
        first_at: When first.
        last_at: When last.
    """

    level: Literal["debug", "info", "warning", "error", "critical"]
    message: Message
    count: int = Field(default=1, ge=1, le=limits.LARGEST_INTEGER)
    first_at: Moment | None = None
    last_at: Moment | None = None


class Metric(Part):
    """A number that was measured.

    Attributes:
        name: Which; with ``step`` it stands once in an event.
        value: How much.
        unit: Of what: ``s``, ``byte``.
        step: Of a series: which step.
    """

    name: Name
    value: Finite
    unit: Name | None = None
    step: Annotated[int, Field(ge=0, le=limits.LARGEST_INTEGER)] | None = None


class Extracted(Part):
    """What was found.

    Attributes:
        images: Images, in their order.
        logs: Lines of logs, in their order.
        metrics: Numbers; kept by name and step.
        attributes: Whatever else is one value: small letters, digits and underscores -> text, number or boolean.
    """

    images: list[Image] = Field(default=[], max_length=limits.IMAGES)
    logs: list[LogLine] = Field(default=[], max_length=limits.LOGS)
    metrics: list[Metric] = Field(default=[], max_length=limits.METRICS)
    attributes: dict[AttributeName, AttributeValue] = Field(
        default={}, max_length=limits.ATTRIBUTES, json_schema_extra={"additionalProperties": False}
    )

    @field_validator("metrics")
    @classmethod
    def _each_once(cls, metrics: list[Metric]) -> list[Metric]:
        places = [(metric.name, -1 if metric.step is None else metric.step) for metric in metrics]
        if len(set(places)) < len(places):
            raise invalid("metrics of which each name and step stands once")
        return [metric for _, metric in sorted(zip(places, metrics, strict=True), key=lambda pair: pair[0])]

    @field_validator("attributes")
    @classmethod
    def _by_name(cls, attributes: dict[str, Any]) -> dict[str, Any]:
        return {name: attributes[name] for name in sorted(attributes)}


class EventV1(Part):
    """A metadata event, version 1.

    Attributes:
        schema_version: ``v1``.
        idempotency_key: Names the document that the event is kept as; of two events of one key the newer one stays. Where it is left out
            it is made of the identifying fields, see :func:`derived_key`.
        source: Notebook, accelerator and model.
        object: What was looked at.
        extracted: What was found.
        extracted_at: When; kept in UTC, cut to milliseconds.
    """

    schema_version: Literal["v1"] = "v1"
    idempotency_key: Key = Field(default_factory=str)
    source: Source
    object: ObjectRef
    extracted: Extracted
    extracted_at: Moment

    @model_validator(mode="after")
    def _has_a_key(self) -> EventV1:
        if not self.idempotency_key:
            self.__dict__["idempotency_key"] = derived_key(self.source, self.object)
            self.__pydantic_fields_set__.add("idempotency_key")
        return self


def derived_key(source: Source, reference: ObjectRef) -> str:
    """Return the key of an event that brings none: SHA-256 in hex of the canonical JSON of what identifies it.

    ``{"checksum", "model", "model_version", "notebook", "uri"}``, each in its normal form, ``model_version`` null where there is none. What
    it ran on, when, and what was found identify nothing: the same extraction done again is a newer event of the same key. No version of the
    schema may change this: ``tests/unit/core/metadata/test_identity.py`` pins keys.
    """
    return digest(
        {
            "checksum": reference.checksum,
            "model": source.model.name,
            "model_version": source.model.version,
            "notebook": source.notebook,
            "uri": reference.uri,
        }
    )


def document_of(event: Model) -> dict[str, Any]:
    """Return an event as a JSON document: what is at its default is left out, so that a field that comes later changes no older event."""
    document = event.model_dump(mode="json", exclude_defaults=True)
    return {"schema_version": event.schema_version, **document}  # type: ignore[attr-defined]  # every version has one


def encode_event(event: Model) -> bytes:
    """Return the event's canonical bytes: what goes to Kafka as the record's value."""
    return encode(document_of(event))


__all__ = [
    "CHECK", "Accelerator", "EventV1", "Extracted", "Image", "Label", "LogLine", "Metric", "ModelRef", "ObjectRef", "Source", "derived_key",
    "document_of", "encode_event",
]  # fmt: skip
