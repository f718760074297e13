# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given

from airflow_dataops.core.metadata import limits
from airflow_dataops.core.metadata.event import EventV1, encode_event
from airflow_dataops.core.metadata.faults import EventRefused, Reason
from airflow_dataops.core.metadata.wire import take
from tests.unit.core.metadata.events import NOW, documents, event, normal


def kept(**changes: Any) -> Any:
    return json.loads(take(event(**changes), now=NOW).wire)


def faults(document: Any) -> dict[str, tuple[str, str]]:
    with pytest.raises(EventRefused) as refused:
        take(document, now=NOW)
    assert refused.value.reason is Reason.INVALID
    return {fault.path: (fault.received, fault.valid) for fault in refused.value.faults}


@given(documents())
def test_the_normal_form_is_a_fixed_point(document: dict[str, Any]) -> None:
    once = take(document, now=NOW)
    again = take(json.loads(once.wire), now=NOW)
    assert again.wire == once.wire
    assert again.event == once.event
    assert again.event.idempotency_key == once.event.idempotency_key


def test_texts_are_trimmed_and_in_one_unicode_form() -> None:
    made = kept(source__notebook="  cafe\u0301.ipynb ", extracted__attributes={"a": " e\u0301 "})
    assert made["source"]["notebook"] == "caf\u00e9.ipynb"
    assert made["extracted"]["attributes"] == {"a": "\u00e9"}
    assert normal("  cafe\u0301.ipynb ") == made["source"]["notebook"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("IMAGE/PNG", "image/png"),
        ("text/plain; charset=UTF-8", "text/plain; charset=utf-8"),
        ('text/plain;format=flowed ;charset="utf-8"', "text/plain; charset=utf-8; format=flowed"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
    ],
)
def test_a_media_type_has_one_form(text: str, form: str) -> None:
    assert kept(object__media_type=text)["object"]["media_type"] == form


@pytest.mark.parametrize(
    "text", ["png", "image/", "image/png; charset", "a/b; c=1; C=2", "image/png, image/jpeg", "im age/png"]
)
def test_a_wrong_media_type_is_refused(text: str) -> None:
    assert "object.media_type" in faults(event(object__media_type=text))


@pytest.mark.parametrize("name", ["md5:" + "0" * 32, "SHA1:" + "A" * 40, "sha512:" + "b" * 128, "crc32c:0badF00D"])
def test_checksums_are_in_small_letters(name: str) -> None:
    assert kept(object__checksum=name)["object"]["checksum"] == name.lower()


@pytest.mark.parametrize(
    "text", ["ab" * 32, "sha256:ab", "sha3:" + "a" * 64, "sha256:" + "g" * 64, "sha256:" + "a" * 65, ""]
)
def test_a_wrong_checksum_is_refused(text: str) -> None:
    assert "object.checksum" in faults(event(object__checksum=text))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31t12:00:00.1239z", "2026-01-31T12:00:00.123Z"),
        (" 2026-01-31 12:00:00.5-00:30 ", "2026-01-31T12:30:00.500Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ("2024-02-29T23:59:59.999999999Z", "2024-02-29T23:59:59.999Z"),
    ],
)
def test_times_are_utc_and_milliseconds(text: str, form: str) -> None:
    assert kept(extracted_at=text)["extracted_at"] == form
    assert take(event(extracted_at=text), now=NOW).event.extracted_at.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["2026-01-31T12:00:00", "2026-01-31", "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z", 1769860800, 1.5, True, "now", "",
     "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "２026-01-31T12:00:00Z", "2026-01-31T12:00:00+15:00"],
)  # fmt: skip
def test_a_time_without_a_zone_or_out_of_bounds_is_refused(value: Any) -> None:
    assert list(faults(event(extracted_at=value))) == ["extracted_at"]


def test_metrics_are_kept_by_name_and_step_and_stand_there_once() -> None:
    metrics = [
        {"name": "b", "value": 1},
        {"name": "a", "value": 2, "step": 2},
        {"name": "a", "value": 3},
        {"name": "a", "value": 4, "step": 10},
    ]
    made = kept(extracted={"metrics": metrics})["extracted"]["metrics"]
    assert [(one["name"], one.get("step")) for one in made] == [("a", None), ("a", 2), ("a", 10), ("b", None)]
    assert list(faults(event(extracted={"metrics": [*metrics, {"name": " b", "value": 9}]}))) == ["extracted.metrics"]


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0), (100, 1e2)])
def test_a_number_has_one_form(one: float, other: float) -> None:
    forms = [
        take(event(extracted={"attributes": {"a": value}, "metrics": [{"name": "m", "value": value}]}), now=NOW)
        for value in (one, other)
    ]
    assert forms[0].wire == forms[1].wire
    assert [repr(form.event.extracted) for form in forms[:1]] == [repr(forms[1].event.extracted)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extracted.metrics[0].value", "0.25"),
        ("extracted.metrics[0].value", True),
        ("extracted.metrics[0].value", float("nan")),
        ("extracted.metrics[0].value", float("inf")),
        ("extracted.images[0].width", 640.5),
        ("extracted.images[0].width", 0),
        ("extracted.images[0].width", 1_000_001),
        ("extracted.images[0].labels[0].score", 1.01),
        ("extracted.attributes.line", None),
        ("extracted.attributes.line", 2**53 + 1),
        ("extracted.attributes.line", 10**400),
        ("extracted.attributes.line", float("nan")),
        ("extracted.attributes.line", [1]),
        ("extracted.attributes.line", "x" * 4097),
        ("extracted.attributes.line", "\ud800"),
        ("object.size", -1),
        ("object.size", 2**53),
        ("object.uri", "s3://b/" + "k" * 2048),
        ("source.notebook", " \t"),
        ("source.notebook", "a\x00b"),
        ("source.notebook", "\udfff"),
        ("source.notebook", "n" * 257),
        ("source.notebook", "\u0958" * 200),  # two characters each, in the one form
        ("source.accelerator.kind", "GPU"),
        ("idempotency_key", "two words"),
        ("idempotency_key", ""),
        ("idempotency_key", "k" * 201),
        ("idempotency_key", "$where"),
        ("idempotency_key", None),
    ],
)
def test_a_wrong_value_is_found_where_it_is(path: str, value: Any) -> None:
    document = event()
    inner: Any = document
    *way, last = path.replace("[", ".").replace("]", "").split(".")
    for name in way:
        inner = inner[int(name)] if name.isdigit() else inner[name]
    inner[last] = value
    assert list(faults(document)) == [path]


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("images", [{"width": 1, "height": 1}] * (limits.IMAGES + 1)),
        ("logs", [{"level": "info", "message": "m"}] * (limits.LOGS + 1)),
        ("metrics", [{"name": f"m{n}", "value": 1} for n in range(limits.METRICS + 1)]),
        ("attributes", {f"a{n}": 1 for n in range(limits.ATTRIBUTES + 1)}),
    ],
)
def test_no_part_is_without_bounds(name: str, many: Any) -> None:
    assert list(faults(event(extracted={name: many}))) == [f"extracted.{name}"]
    fewer = dict(list(many.items())[1:]) if isinstance(many, dict) else many[1:]
    take(event(extracted={name: fewer}), now=NOW)


def test_all_faults_are_told_at_once_with_what_was_received_and_what_is_valid() -> None:
    document = event(object__size="12", objct=1, extracted={"metrics": [{"nam": "a", "value": 1}]})
    del document["extracted_at"]
    assert faults(document) == {
        "object.size": ('"12"', "integer"),
        "objct": (
            "an unknown name",
            "schema_version, idempotency_key, source, object, extracted, extracted_at (did you mean 'object'?)",
        ),
        "extracted.metrics[0].name": ("nothing", "required"),
        "extracted.metrics[0].nam": ("an unknown name", "name, value, unit, step (did you mean 'name'?)"),
        "extracted_at": ("nothing", "required"),
    }


def test_a_secret_in_a_uri_is_not_told() -> None:
    found = faults(event(object__uri="s3://AKIA:hunter22@b/k"))
    assert "hunter22" not in str(found)
    assert "user and password" in found["object.uri"][1]


def test_a_fault_of_a_name_that_cannot_be_encoded_can_be_told() -> None:
    told = [
        text for path, (received, valid) in faults(event(**{"\ud800": 1})).items() for text in (path, received, valid)
    ]
    assert "".join(told).encode()


def test_what_is_at_its_default_is_not_written() -> None:
    bare = kept(extracted={}, source__accelerator={"kind": "cpu"}, source__model={"name": "m", "version": None})
    assert bare["extracted"] == {}
    assert bare["source"] == {"notebook": "defects.ipynb", "accelerator": {"kind": "cpu"}, "model": {"name": "m"}}
    assert (
        kept(extracted={"images": [], "metrics": []}, source__accelerator={"kind": "cpu"}, source__model={"name": "m"})
        == bare
    )


def test_an_event_is_not_changed_by_its_reader() -> None:
    made = EventV1.model_validate(event())
    before = encode_event(made)
    with pytest.raises(ValueError, match="frozen"):
        made.idempotency_key = "other"
    assert encode_event(made) == before
