# SPDX-License-Identifier: Apache-2.0
"""Findings as text for people, JSON for scripts, and SARIF for code hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dag_factories.check.codes import CODES
from dag_factories.findings import Finding
from dag_factories.positions import LINE_BREAK

_WIDTH = 100
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def as_text(findings: Sequence[Finding], texts: Mapping[str, str]) -> str:
    """Return the findings for a terminal: place, message, the line with a caret, and what to type.

    Args:
        findings: In the order in which they are shown.
        texts: File -> its text.
    """
    secret = {(finding.file, finding.line) for finding in findings if finding.code == "SECRET_IN_FILE"}
    lines_of = {file: LINE_BREAK.split(text) for file, text in texts.items()}
    blocks = []
    for finding in findings:
        lines = lines_of.get(finding.file, [])
        block = [
            f"{finding.file}:{finding.line}:{finding.column}: {finding.severity}: {finding.code} {finding.message}"
        ]
        # A line with a secret is not repeated: what is checked by a pipeline of a code host stays in its log.
        shown = (finding.file, finding.line) not in secret
        if shown and finding.line <= len(lines) and lines[finding.line - 1].strip():
            block += _snippet(lines[finding.line - 1], finding)
        if finding.suggestion:
            block.append(f"  -> {finding.suggestion}")
        blocks.append(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", "\n".join(block)))
    return "\n\n".join(blocks)


def as_json(findings: Sequence[Finding]) -> str:
    """Return a JSON list of ``{file, line, column, severity, code, message, suggestion}``."""
    return json.dumps([finding.to_dict() for finding in findings], indent=2, ensure_ascii=False)


def as_sarif(findings: Sequence[Finding], version: str) -> str:
    """Return a SARIF 2.1.0 log; columns count Unicode characters.

    Args:
        findings: What was found.
        version: Version of this package.
    """
    codes = sorted({finding.code for finding in findings})
    driver = {
        "name": "dataops",
        "version": version,
        "informationUri": "https://github.com/airflow-dataops/airflow-dataops",
        "rules": [{"id": code, "shortDescription": {"text": CODES.get(code, code)}} for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes.index(finding.code)) for finding in findings],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    text = f"{finding.message}. {finding.suggestion}" if finding.suggestion else finding.message
    region = {"startLine": finding.line, "startColumn": finding.column}
    place = {"artifactLocation": {"uri": quote(finding.file)}, "region": region}
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }


def _snippet(line: str, finding: Finding) -> list[str]:
    """Return the line, cut to what fits around the column, and a caret below the column."""
    start = max(0, finding.column - 1 - _WIDTH // 2) if len(line) > _WIDTH else 0
    shown = line[start : start + _WIDTH]
    before = shown[: max(0, finding.column - 1 - start)]
    padding = "".join("\t" if char == "\t" else " " * _cells(char) for char in before)
    number = str(finding.line)
    return [f"  {number} | {shown}", f"  {' ' * len(number)} | {padding}^"]


def _cells(char: str) -> int:
    if char.isascii():
        return 1
    import unicodedata

    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
