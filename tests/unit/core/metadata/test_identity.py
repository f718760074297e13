# SPDX-License-Identifier: Apache-2.0
"""Keys that were given once and must never change: documents in every store are called by them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from airflow_dataops.core.metadata.wire import take
from tests.unit.core.metadata.events import NOW, SHA, event


def key(**changes: Any) -> str:
    return take(event(**changes), now=NOW).event.idempotency_key


def test_the_key_is_what_the_page_says_and_what_any_language_can_make() -> None:
    text = f'{{"checksum":"{SHA}","model":"resnet50","model_version":"2","notebook":"defects.ipynb","uri":"s3://raw/line-1/0001.png"}}'
    assert key() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "pinned"),
    [
        ({}, "dc610dfb9d2666e09e089f150824b4c5cd9feefdf9b1e64859384a226444700b"),
        ({"source__model": {"name": "resnet50"}}, "0e207baf7982f625b8ec876163d5ab2bc762567b5cfce77ddf6251ee3dcca28a"),
        (
            {"source__notebook": "caf\u00e9 \u20ac.ipynb", "object__uri": "gs://b/\U0001f600"},
            "09052f3492e1a7306d13fb4db652fc19075fa3b027d4c22803a15057fea29dcb",
        ),
    ],
)
def test_keys_stay_what_they_were(changes: dict[str, Any], pinned: str) -> None:
    assert key(**changes) == pinned


@pytest.mark.parametrize(
    "changes",
    [
        {"extracted_at": "2026-02-01T00:00:00Z"},
        {"extracted": {}},
        {"source__accelerator": {"kind": "cpu"}},
        {"object__size": 1},
        {"object__uri": "S3A://raw/line-1/0001.png"},
        {"object__checksum": SHA.upper()},
        {"source__notebook": " defects.ipynb\n"},
        {"schema_version": "v1"},
    ],
)
def test_what_identifies_nothing_changes_no_key(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()


@pytest.mark.parametrize(
    "changes",
    [
        {"source__notebook": "other.ipynb"},
        {"source__model": {"name": "resnet50", "version": "3"}},
        {"source__model": {"name": "resnet101", "version": "2"}},
        {"source__model": {"name": "resnet50"}},
        {"object__uri": "s3://raw/line-1/0002.png"},
        {"object__checksum": "sha256:" + "ac" * 32},
    ],
)
def test_what_identifies_changes_it(changes: dict[str, Any]) -> None:
    assert key(**changes) != key()


def test_a_given_key_is_kept() -> None:
    assert key(idempotency_key=" my-key/1 ") == "my-key/1"
    assert key(source__notebook="cafe\u0301.ipynb") == key(source__notebook="caf\u00e9.ipynb")
