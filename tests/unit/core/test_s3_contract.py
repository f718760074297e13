# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.s3_contract import REQUIREMENTS, Level, bad, finding


@pytest.mark.parametrize(
    ("check", "ok", "level"),
    [
        ("ranges", True, Level.WORKS),
        ("ranges", False, Level.PROBLEM),
        ("ranges", None, Level.UNKNOWN),
        ("beside", False, Level.LACKS),
        ("beside", None, Level.UNKNOWN),
        ("bad_secret", False, Level.PROBLEM),
    ],
)
def test_what_is_needed_is_a_problem_where_it_is_missing(check: str, ok: bool | None, level: Level) -> None:
    assert finding(check, ok, "seen").level is level


@pytest.mark.parametrize("check", ["create", "create_race", "replace", "replace_race"])
def test_a_condition_is_a_problem_only_where_the_settings_rely_on_it(check: str) -> None:
    relied, known = finding(check, False, ""), finding(check, False, "", conditional_writes=False)
    assert (relied.level, known.level) == (Level.PROBLEM, Level.LACKS)
    assert "S3_CONDITIONAL_WRITES=off" in (relied.fix or "")
    assert known.fix is None


def test_a_defect_is_told_with_what_the_pipeline_does_then() -> None:
    for requirement in REQUIREMENTS:
        assert finding(requirement.check, False, "").without
        assert finding(requirement.check, True, "").without is None


def test_checks_have_ids_of_their_own() -> None:
    assert len({requirement.check for requirement in REQUIREMENTS}) == len(REQUIREMENTS)


def test_what_could_not_be_found_out_is_no_pass_and_what_is_not_needed_is_no_failure() -> None:
    assert bad([finding("ranges", None, "")])
    assert bad([finding("ranges", False, "")])
    assert not bad([finding("beside", False, ""), finding("ranges", True, ""), finding("s3fs", None, "", skipped=True)])
