# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a metadata pipeline is found at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dag_factories.check.deep import deep_checks
from dag_factories.pipeline import load_pipeline, load_project

GOOD = "version: 1\nkind: gpu_metadata\nname: edge\n"
PROJECT = "version: 1\ntargets:\n  local: {lake: ./lake}\n"


def found(folder: Path, text: str, project: str = PROJECT) -> list[tuple[int, str]]:
    (folder / "dataops.yaml").write_text(project, "utf-8")
    (folder / "edge.yaml").write_text(GOOD + text, "utf-8")
    pipeline = load_pipeline(folder / "edge.yaml").checked(deep_checks(data=False))
    return [(one.line, one.code) for one in pipeline.findings]


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("dead_topic: gpu-metadata\n", 4, "SAME_TOPIC"),
        ("health: {lag: {warning: 5, critical: 4}}\n", 4, "LIMITS_CROSSED"),
        ("quality:\n  drained: {on_failure: warn}\n", 5, "GATE_WITHOUT_RULES"),
        ("quality:\n  drained:\n    rules:\n      - not_null: colour\n", 7, "UNKNOWN_COLUMN"),
        ("quality:\n  drained:\n    rules:\n      - between: [model, 1, 2]\n", 7, "BAD_ARGUMENT_TYPE"),
        (
            "transforms:\n  revision: 1\n  steps:\n    - {name: a, derive: {extracted.attributes.x: 'round(('}}\n",
            6,
            "BAD_TRANSFORM",
        ),
        ("archive: /elsewhere/archive\n", 4, "PATH_OUTSIDE"),
        ("inbox: ${run.date}/x\n", 4, "REFERENCE_NOT_ALLOWED"),
        ("topik: x\n", 4, "UNKNOWN_KEY"),
    ],
)
def test_a_fault_is_found_at_its_line(text: str, line: int, code: str, tmp_path: Path) -> None:
    assert (line, code) in found(tmp_path, text)


def test_a_right_file_has_no_finding(tmp_path: Path) -> None:
    rules = "quality: {drained: {columns: {team: extracted.attributes.team}, rules: [{not_null: team}, {between: [size, 1, 9]}]}}\n"
    assert found(tmp_path, rules) == []


def test_a_production_target_without_servers_is_found(tmp_path: Path) -> None:
    assert ("EMBEDDED_IN_PRODUCTION") in [
        code for _, code in found(tmp_path, "", PROJECT.replace("}", ", production: true}"))
    ]


@pytest.mark.parametrize(
    ("servers", "code"),
    [
        ("{kafka_conn_id: k, mongo_uri: 'mongodb://u:p@h'}", "SECRET_IN_FILE"),
        ("{kafka_conn_id: k, mongo_uri: '${env:M}', api_token: abc}", "SECRET_IN_FILE"),
        ("{mongo_uri: '${env:M}', kafka: {bootstrap.servers: k, sasl.password: p}}", "SECRET_IN_FILE"),
        ("{mongo_uri: '${env:M}'}", "BROKERS_MISSING"),
        ("{kafka_conn_id: k, mongo_uri: '${env:M}', api: metadata.example.com}", "BAD_ADDRESS"),
    ],
)
def test_what_is_wrong_with_the_servers_is_found(servers: str, code: str, tmp_path: Path) -> None:
    text = f"version: 1\ntargets:\n  local: {{lake: ./lake, metadata: {servers}}}\n"
    (tmp_path / "dataops.yaml").write_text(text, "utf-8")
    findings = load_project(tmp_path).findings
    assert [one.code for one in findings] == [code]
    assert "u:p" not in str(findings)
