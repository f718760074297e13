# SPDX-License-Identifier: Apache-2.0
"""infra/gcp as far as it can be judged without the cloud: it parses, refers to what is there, and takes only arguments that the provider has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.infra.terraform import FOLDER, Block, arguments, parse, read, references

SCHEMA = json.loads(Path(__file__).with_name("provider_schema.json").read_text())
MODULE = read()


def _wrong(fields: dict[str, Any], body: dict[str, Any], where: str) -> Iterator[str]:
    given = list(arguments(body))
    for name, value in given:
        if name not in fields:
            yield f"{where}.{name}: the provider knows no such argument"
        elif "block" in fields[name] and isinstance(value, list) and all(isinstance(one, dict) for one in value):
            for inner in value:
                yield from _wrong(fields[name]["block"], inner, f"{where}.{name}")
    missing = {name for name, one in fields.items() if one["required"]} - {name for name, _ in given}
    yield from (f"{where}.{name} is required" for name in sorted(missing))


def _wrong_block(block: Block) -> list[str]:
    fields = SCHEMA["types"].get(f"{block.kind}.{block.type}")
    return (
        [f"{block}: run tools/terraform_schema.py"] if fields is None else list(_wrong(fields, block.body, str(block)))
    )


@pytest.mark.parametrize("block", MODULE.blocks, ids=str)
def test_the_provider_takes_the_arguments(block: Block) -> None:
    assert _wrong_block(block) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('resource "google_service_account" "x" {}', "account_id is required"),
        ('resource "google_service_account" "x" { account_id = "a"\n key = 1 }', "no such argument"),
        ('resource "google_compute_firewall" "x" { name = "a"\n network = "b"\n allow { port = 1 } }', "allow.protocol is required"),
        ('resource "google_storage_bucket" "x" { name = "a"\n location = "b"\n dynamic "lifecycle_rule" { content { days = 1 } } }', "lifecycle_rule.days"),
        ('resource "google_made_up" "x" {}', "terraform_schema"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_seen(text: str, says: str) -> None:
    assert any(says in found for found in _wrong_block(parse(text).blocks[0]))


def test_what_is_named_is_there() -> None:
    assert references(MODULE.text, "var") == set(MODULE.variables), "unknown, or never used"
    assert references(MODULE.text, "local") == set(MODULE.locals), "unknown, or never used"
    declared = {(block.type, block.name) for block in MODULE.blocks}
    named = set(re.findall(r"(?<![\w.\"/])(google_\w+)\.(\w+)", MODULE.text))
    named |= set(re.findall(r"data\.(google_\w+)\.(\w+)", MODULE.text))
    assert named <= declared


def test_every_variable_says_what_it_is_in_the_file_and_in_the_guide() -> None:
    guide = (FOLDER.parents[1] / "docs" / "how-to" / "gcp_platform.md").read_text()
    for name, variable in MODULE.variables.items():
        assert variable.get("description"), name
        assert variable.get("type"), name
        assert f"| `{name}` |" in guide, f"{name} is not in docs/how-to/gcp_platform.md"
    assert set(re.findall(r"^\| `([a-z_]+)` \|", guide, re.MULTILINE)) == set(MODULE.variables)


def test_no_value_of_one_company_is_written_down() -> None:
    assert not re.search(
        r"\d{10,}|@(?!example\.com)[a-z-]+\.(?!iam\.gserviceaccount)",
        re.sub(r"service-\$\{[^}]+\}\S+", "", MODULE.text),
    )
