# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.core.errors import InputError
from dag_factories import demo


def test_the_example_is_copied_with_its_data(tmp_path: Path) -> None:
    demo.copy_example(tmp_path / "here")
    assert len(list((tmp_path / "here/lake/bronze/flights").rglob("*.parquet"))) == 12
    assert (tmp_path / "here" / "flights.py").is_file()


def test_a_second_copy_keeps_what_was_changed(tmp_path: Path) -> None:
    demo.copy_example(tmp_path)
    (tmp_path / "flights.yaml").write_text("mine")
    demo.copy_example(tmp_path)
    assert (tmp_path / "flights.yaml").read_text() == "mine"


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="FOLDER_TAKEN"):
        demo.copy_example(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_without_the_example_the_error_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EXAMPLES", tmp_path / "nothing")
    with pytest.raises(InputError, match=r"(?s)EXAMPLE_MISSING.*make demo"):
        demo.copy_example(tmp_path / "here")
