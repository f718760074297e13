# SPDX-License-Identifier: Apache-2.0
"""Every way to break a file is found, in its place, with what to type; and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dag_factories.check.codes import CODES
from dag_factories.check.files import check_files
from tests.unit.dag_factories.check.broken import FILE, GOOD, MEANING, PROJECT, PROJECTS, SCHEMA, SUITE, SUITES, Case

Make = Callable[..., Path]


def broken(case: Case, whole: str = GOOD) -> str | bytes:
    if not case.old:
        return case.new
    assert case.old in whole
    assert isinstance(case.new, str)
    text = whole.replace(case.old, case.new, 1)
    return text.replace("full: true", "window: {column: at}") if case.code == "WINDOW_WITHOUT_SCHEDULE" else text


def test_the_right_file_has_no_findings(make_project: Make) -> None:
    assert check_files([make_project()]).findings == []


@pytest.mark.parametrize("case", FILE + SCHEMA + MEANING, ids=lambda case: case.name)
def test_a_fault_is_found_in_its_place_and_alone(case: Case, make_project: Make) -> None:
    found = check_files([make_project(broken(case))]).findings
    assert [(finding.code, finding.line, finding.column) for finding in found] == [(case.code, case.line, case.column)]


@pytest.mark.parametrize(("name", "old", "new", "code"), SUITES, ids=[case[0] for case in SUITES])
def test_a_fault_in_a_suite_is_found_where_the_file_names_it(
    name: str, old: str, new: str, code: str, make_project: Make
) -> None:
    found = check_files([make_project(suite=SUITE.replace(old, new))]).findings
    assert [(finding.code, finding.line, finding.column) for finding in found] == [(code, 16, 19)]


def test_a_fault_in_a_suite_says_the_line_in_the_suite(make_project: Make) -> None:
    [finding] = check_files([make_project(suite=SUITE.replace("not_be_null", "not_be_nul"))]).findings
    assert finding.message.startswith("suites/orders.json:2:12: ")


@pytest.mark.parametrize("case", PROJECTS, ids=lambda case: case.name)
def test_a_fault_in_the_project_file_is_found_there(case: Case, make_project: Make) -> None:
    text = broken(case, PROJECT)
    found = check_files([make_project(project=text)]).findings
    places = [(f.code, f.line, f.column) for f in found if f.file == "dataops.yaml"]
    assert places == [(case.code, case.line, case.column)]


def test_all_faults_of_a_file_are_told_at_once_in_order(make_project: Make) -> None:
    text = GOOD
    for case in (SCHEMA[9], SCHEMA[6], SCHEMA[7], MEANING[0], MEANING[16], MEANING[20]):
        text = str(broken(case, text))
    found = check_files([make_project(text)]).findings
    assert [finding.line for finding in found] == sorted(finding.line for finding in found)
    assert len(found) >= 6


def test_every_code_of_the_corpus_is_explained() -> None:
    codes = {case.code for case in FILE + SCHEMA + MEANING + PROJECTS} | {case[3] for case in SUITES}
    assert codes <= CODES.keys()


def test_every_code_is_in_the_reference() -> None:
    page = (Path(__file__).parents[4] / "docs/reference/findings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z_0-9]+)`", page, re.MULTILINE)) == set(CODES)


def test_a_secret_in_a_file_is_not_repeated(make_project: Make) -> None:
    text = GOOD.replace("{tags: [email]}", "{mask: {kind: sha256, salt: [hunter2]}}")
    project = PROJECT.replace("{notifier: log}", "{notifier: webhook, token: hunter2}")
    found = check_files([make_project(text, project)]).findings
    assert "hunter2" not in str([finding.to_dict() for finding in found])


@pytest.mark.parametrize("key", ["version", "kind", "name", "source", "target"])
def test_a_missing_key_does_not_hide_the_rest(key: str, make_project: Make) -> None:
    text = re.sub(rf"^{key}:.*\n", "", GOOD, flags=re.MULTILINE).replace("full: true", "fulll: true")
    found = check_files([make_project(text)]).findings
    assert "MISSING_KEY" in {finding.code for finding in found}
    assert key == "kind" or "UNKNOWN_KEY" in {finding.code for finding in found}
