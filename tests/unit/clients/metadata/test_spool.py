# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.clients.metadata.spool import Spool


def line(key: str) -> bytes:
    return json.dumps({"idempotency_key": key}).encode()


def test_what_is_kept_while_others_are_sent_waits_for_the_next_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new" / "spool")
    spool.keep([line("a"), line("b")])
    assert spool.take() == [line("a"), line("b")]
    spool.keep([line("c")])
    spool.done()
    assert spool.take() == [line("c")]
    spool.done()
    assert (spool.take(), list(tmp_path.glob("new/*"))) == ([], [])


@pytest.mark.parametrize("place", ["spool", "spool.sending"])
@pytest.mark.parametrize("torn", [line("b")[:9], b"\xff\xfe", b"[" * 100_000, b"7", b"{}"])
def test_a_line_that_is_cut_off_spoils_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, torn: bytes, place: str
) -> None:
    (tmp_path / place).write_bytes(line("a") + b"\n" + torn)
    spool = Spool(tmp_path / "spool")
    spool.keep([line("c")])
    with caplog.at_level(logging.WARNING):
        assert spool.take() == [line("a"), line("c")]
    spool.done()
    assert (tmp_path / "spool.damaged").read_bytes() == torn + b"\n"
    assert "1 lines" in caplog.text
    assert spool.take() == []


@given(st.lists(st.lists(st.text(), max_size=3), max_size=6))
def test_all_that_was_kept_is_taken_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[str]]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool") / "s")
    for keys in rounds:
        spool.keep(line(key) for key in keys)
    assert spool.take() == [line(key) for keys in rounds for key in keys]
