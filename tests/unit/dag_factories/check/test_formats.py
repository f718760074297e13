# SPDX-License-Identifier: Apache-2.0
"""Findings as text with a caret, as JSON with exactly its keys, and as SARIF that code hosts take."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from dag_factories.check.formats import as_json, as_sarif, as_text
from dag_factories.findings import Finding, PipelineError

FINDING = Finding("a b/orders.yaml", 2, 7, "error", "UNKNOWN_KIND", "unknown kind 'x'", "did you mean 'y'?")
PLAIN = Finding("orders.yaml", 1, 1, "warning", "WINDOW_WITHOUT_SCHEDULE", "no schedule")
TEXTS = {"a b/orders.yaml": "version: 1\nkind: bronze\n"}

# What SARIF 2.1.0 asks of the parts that are written here.
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "minItems": 1,
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "properties": {
                            "driver": {
                                "required": ["name"],
                                "properties": {"rules": {"items": {"required": ["id"]}, "uniqueItems": True}},
                            }
                        }
                    },
                    "results": {
                        "items": {
                            "required": ["message", "ruleId", "ruleIndex"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"]},
                                "locations": {
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {
                                                            "uri": {"type": "string", "pattern": r"^[^\s\\]+$"}
                                                        }
                                                    },
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        }
                                                    },
                                                },
                                            }
                                        }
                                    }
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}


def test_text_shows_the_line_and_points_at_the_column() -> None:
    assert as_text([FINDING], TEXTS).splitlines() == [
        "a b/orders.yaml:2:7: error: UNKNOWN_KIND unknown kind 'x'",
        "  2 | kind: bronze",
        "    |       ^",
        "  -> did you mean 'y'?",
    ]


def test_a_line_with_a_secret_is_not_repeated() -> None:
    texts = {"orders.yaml": "args: {password: hunter2}\n"}
    secret = Finding("orders.yaml", 1, 8, "error", "SECRET_IN_FILE", "password is a secret")
    other = Finding("orders.yaml", 1, 8, "warning", "FUNCTION_ARGUMENTS", "f takes no argument 'password'")
    assert "hunter2" not in as_text([secret, other], texts)
    assert "hunter2" in as_text([other], texts)


def test_text_without_the_file_has_no_snippet() -> None:
    assert as_text([PLAIN], {}) == "orders.yaml:1:1: warning: WINDOW_WITHOUT_SCHEDULE no schedule"


@pytest.mark.parametrize(
    ("line", "column", "below"),
    [("kind: x", 7, 6), ("\u540d\u524d: x", 5, 6), ("cafe\u0301: x", 8, 6), ("x" * 500 + "y", 501, 50)],
)
def test_the_caret_stands_below_the_character(line: str, column: int, below: int) -> None:
    shown = as_text([Finding("f", 1, column, "error", "C", "m")], {"f": line}).splitlines()
    assert shown[-1].index("^") - shown[-1].index("| ") - 2 == below


def test_text_does_not_pass_terminal_escapes_on() -> None:
    finding = Finding("f", 1, 1, "error", "C", "got '\x1b[2J'")
    assert "\x1b" not in as_text([finding], {"f": "a: \x1b[31m\u202e"})
    assert "\u202e" not in as_text([finding], {"f": "a: \x1b[31m\u202e"})


def test_json_has_exactly_the_keys_of_the_contract() -> None:
    assert json.loads(as_json([FINDING, PLAIN])) == [
        {
            "file": "a b/orders.yaml",
            "line": 2,
            "column": 7,
            "severity": "error",
            "code": "UNKNOWN_KIND",
            "message": "unknown kind 'x'",
            "suggestion": "did you mean 'y'?",
        },
        {
            "file": "orders.yaml",
            "line": 1,
            "column": 1,
            "severity": "warning",
            "code": "WINDOW_WITHOUT_SCHEDULE",
            "message": "no schedule",
            "suggestion": None,
        },
    ]


@pytest.mark.parametrize("findings", [[], [FINDING], [FINDING, PLAIN, FINDING]])
def test_sarif_is_of_its_shape(findings: list[Finding]) -> None:
    log = json.loads(as_sarif(findings, "1.0"))
    jsonschema.validate(log, SARIF)
    [run] = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [finding.code for finding in findings]


def test_the_error_of_a_file_lists_its_findings_in_order() -> None:
    error = PipelineError([FINDING, PLAIN, FINDING])
    assert [finding.file for finding in error.findings] == ["a b/orders.yaml", "orders.yaml"]
    assert "a b/orders.yaml:2:7: error: UNKNOWN_KIND unknown kind 'x'\n  -> did you mean 'y'?" in str(error)
    assert error.to_dict()["details"]["findings"][0]["line"] == 2
