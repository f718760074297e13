# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.services.metadata_api.auth import TOKENS, Tokens, check
from airflow_dataops.services.metadata_api.refusals import Refused
from airflow_dataops.services.metadata_api.settings import ApiSettings

OLD, NEW, FIXED = "old-token-0123456789", "new-token-0123456789", "fix-token-0123456789"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, text: str) -> None:
    """Replace the file, as a mounted Secret is."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def test_a_file_is_read_again_when_it_has_changed_and_not_at_each_request(tmp_path: Path) -> None:
    file, clock = tmp_path / "tokens", Clock()
    write(file, f"# ours\n{OLD}\n\n")
    tokens = Tokens(file, {TOKENS: FIXED}, clock)
    assert [tokens.hold(one) for one in (OLD, FIXED, NEW, "", "# ours")] == [True, True, False, False, False]
    write(file, f"{OLD}\n{NEW}\n")
    clock.now += 0.5
    assert not tokens.hold(NEW)  # it was looked at less than a second ago
    clock.now += 1
    assert [tokens.hold(OLD), tokens.hold(NEW)] == [True, True]
    write(file, NEW)
    clock.now += 2
    assert [tokens.hold(OLD), tokens.hold(NEW), tokens.hold(FIXED)] == [False, True, True]


@pytest.mark.parametrize("broken", ["", "short", None])
def test_a_file_that_breaks_while_it_runs_changes_nothing(tmp_path: Path, broken: str | None) -> None:
    file, clock = tmp_path / "tokens", Clock()
    write(file, OLD)
    tokens = Tokens(file, {}, clock)
    file.unlink() if broken is None else write(file, broken)
    clock.now += 2
    assert tokens.hold(OLD)


@pytest.mark.parametrize("content", [b"", b"# none\n", b"short\n", b"\xff\xfe"])
def test_a_file_that_is_broken_at_the_start_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(content)
    with pytest.raises(SpecError) as refused:
        Tokens(file, {})
    assert refused.value.code == "TOKENS"
    assert "short" not in refused.value.message


def test_the_environment_may_hold_several_and_none_is_none() -> None:
    assert not Tokens(None, {})
    assert not Tokens(None, {TOKENS: " , "})
    both = Tokens(None, {TOKENS: f"{OLD}, {NEW}"})
    assert [both.hold(OLD), both.hold(NEW), both.hold(f"{OLD}, {NEW}")] == [True, True, False]
    with pytest.raises(SpecError):
        Tokens(None, {TOKENS: "short"})


def test_a_header_that_is_no_text_is_only_wrong() -> None:
    assert not Tokens(None, {TOKENS: OLD}).hold(os.fsdecode(b"\xff\xfe") + "\udcff")


@pytest.mark.parametrize(
    ("subjects", "needs", "peer", "status"),
    [
        ((), False, None, None), ((), True, None, 401), ((), True, "any", None), (("a",), True, "a", None),
        (("a",), True, "b", 403), (("a",), True, "", 403), (("a",), True, None, 401), (("a",), False, None, 403),
    ],
)  # fmt: skip
def test_names_in_certificates(subjects: tuple[str, ...], needs: bool, peer: str | None, status: int | None) -> None:
    settings = ApiSettings(subjects=frozenset(subjects), needs_certificate=needs)
    try:
        check(settings, Tokens(None, {}), "", peer)
        found = None
    except Refused as refused:
        found = refused.status
    assert found == status


def test_a_certificate_does_not_stand_for_a_token() -> None:
    with pytest.raises(Refused) as refused:
        check(ApiSettings(needs_certificate=True), Tokens(None, {TOKENS: OLD}), "", "a")
    assert refused.value.status == 401
