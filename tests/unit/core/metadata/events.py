# SPDX-License-Identifier: Apache-2.0
"""Events for the tests of this folder: one that is valid, and strategies for all that are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from airflow_dataops.core.metadata.limits import LARGEST_INTEGER
from airflow_dataops.core.metadata.upsert import Stored, stored_of
from airflow_dataops.core.metadata.versions import Read
from airflow_dataops.core.metadata.wire import decode

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SHA = "sha256:" + "ab" * 32


def event(**changes: Any) -> dict[str, Any]:
    """A valid document; ``a__b=…`` replaces ``b`` of ``a``, and None takes it away."""
    document: dict[str, Any] = {
        "schema_version": "v1",
        "source": {
            "notebook": "defects.ipynb",
            "accelerator": {"kind": "gpu", "name": "NVIDIA A10G"},
            "model": {"name": "resnet50", "version": "2"},
        },
        "object": {"uri": "s3://raw/line-1/0001.png", "checksum": SHA, "size": 12_345, "media_type": "image/png"},
        "extracted": {
            "images": [{"width": 640, "height": 480, "labels": [{"name": "scratch", "score": 0.75}]}],
            "metrics": [{"name": "seconds", "value": 0.25, "unit": "s"}],
            "attributes": {"line": 1},
        },
        "extracted_at": "2026-01-31T12:00:00.000Z",
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        inner = document
        for name in way:
            inner = inner[name]
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return document


def bytes_of(document: Any) -> bytes:
    """The document as some producer writes it."""
    return json.dumps(document).encode()


def read(**changes: Any) -> Read:
    """A valid event, read."""
    return decode(bytes_of(event(**changes)), key=None, now=NOW)


def stored(key: str, minute: int = 0, value: float = 0.0, revision: int = 0, extra: str = "") -> Stored:
    """An event of a key, as it is stored."""
    at = datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(minutes=minute)
    one = read(idempotency_key=key, extracted_at=at.isoformat(), extracted={"metrics": [{"name": "m", "value": value}]})
    return stored_of(one, {**json.loads(one.wire), "note": extra}, revision)


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text.strip()
)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
times = st.datetimes(datetime(1971, 1, 1), datetime(2025, 12, 31), timezones=st.timezones())  # noqa: DTZ001  # the zone is drawn beside it
checksums = st.binary(min_size=32, max_size=32).map(lambda raw: f"SHA256:{raw.hex().upper()}")
uris = st.sampled_from(["S3A://b/", "gs://b/x/", "HTTPS://Host.Example:443/a/", "file:///data/"]).flatmap(
    lambda head: st.text("abcé /%", max_size=6).map(lambda tail: head + tail.replace("%", "%4a") + "z")
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid event, not in its normal form."""
    names = st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), numbers | words | st.booleans(), max_size=4
    )
    metrics = st.lists(
        st.fixed_dictionaries({"name": words, "value": numbers}, optional={"step": st.integers(0, 9), "unit": words}),
        max_size=5,
        unique_by=lambda one: (normal(one["name"]), one.get("step")),
    )
    images = st.lists(
        st.fixed_dictionaries(
            {"width": st.integers(1, 9), "height": st.integers(1, 9)},
            optional={"embedding": st.lists(numbers, max_size=3)},
        ),
        max_size=2,
    )
    made = event(
        source__notebook=draw(words), object__uri=draw(uris), object__checksum=draw(checksums), extracted_at=draw(times).isoformat(),
        object__media_type=draw(st.sampled_from(["Image/PNG", "text/plain;charset=UTF-8 ; Q=1", "application/x-ndjson"])),
    )  # fmt: skip
    made["extracted"] = {"images": draw(images), "metrics": draw(metrics), "attributes": draw(names)}
    if draw(st.booleans()):
        made["idempotency_key"] = draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~:/@+=-]{0,20}", fullmatch=True))
    return made


def normal(text: str) -> str:
    """A text as an event keeps it."""
    import unicodedata

    return unicodedata.normalize("NFC", text.strip()).strip()
