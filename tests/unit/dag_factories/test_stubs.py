# SPDX-License-Identifier: Apache-2.0
"""Stubs: written where they are missing, seen by Airflow's safe mode, and no file of somebody else's is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from dag_factories.stubs import Stub, find_stubs, stub_text, write_stubs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text("version: 1\n", encoding="utf-8")
    (tmp_path / "dataops.yaml").write_text("version: 1\n", encoding="utf-8")
    return tmp_path


def states(folder: Path) -> dict[str, str]:
    return {stub.path.name: stub.state for stub in find_stubs([folder])}


def test_missing_stubs_are_written_once(folder: Path) -> None:
    assert [path.name for path in write_stubs(find_stubs([folder]))] == ["a.py", "b.py", "c.py"]
    assert states(folder) == {"a.py": "current", "b.py": "current", "c.py": "current"}
    assert write_stubs(find_stubs([folder])) == []


def test_a_foreign_file_is_never_touched(folder: Path) -> None:
    (folder / "a.py").write_text("print('mine')\n", encoding="utf-8")
    write_stubs(find_stubs([folder]))
    assert (folder / "a.py").read_text(encoding="utf-8") == "print('mine')\n"
    assert states(folder)["a.py"] == "foreign"


def test_a_stub_that_safe_mode_would_skip_is_none_of_ours(folder: Path) -> None:
    text = "from dag_factories import load_dag\nx = load_dag(__file__)\n"
    (folder / "a.py").write_text(text, encoding="utf-8")
    assert states(folder)["a.py"] == "foreign"
    (folder / "a.py").write_text("# airflow\n" + text, encoding="utf-8")
    assert states(folder)["a.py"] == "stale"


def test_a_stub_without_its_pipeline_is_an_orphan(folder: Path) -> None:
    write_stubs(find_stubs([folder]))
    (folder / "b.yaml").unlink()
    assert states(folder)["b.py"] == "orphan"


def test_a_stub_has_the_words_that_safe_mode_looks_for() -> None:
    text = stub_text(Path("orders.yaml")).lower()
    assert "airflow" in text
    assert "dag" in text


def test_a_race_for_the_same_file_is_lost_without_harm(folder: Path) -> None:
    (folder / "a.py").write_text("# other\n", encoding="utf-8")
    with pytest.raises(FileExistsError):
        write_stubs([Stub(folder / "a.yaml", folder / "a.py", "missing")])
    assert (folder / "a.py").read_text(encoding="utf-8") == "# other\n"
