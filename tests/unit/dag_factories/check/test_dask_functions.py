# SPDX-License-Identifier: Apache-2.0
"""The functions of a composer_dask pipeline are looked for and read as text; nothing is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from dag_factories.check.files import check_files
from tests.unit.dag_factories.check.dask_project import GOOD, MODULE, PROJECT, Make, make

__all__ = ["make"]


def test_a_module_that_does_not_parse_is_a_warning_and_is_not_run(make: Make) -> None:
    [finding] = check_files([make(module="raise SystemExit\ndef count(:\n")]).findings[:1]
    assert (finding.code, finding.severity) == ("MODULE_BROKEN", "warning")
    assert "counts.py:2" in finding.message


@pytest.mark.parametrize(("module", "meant"), [("wrok.counts", "work"), ("work.count", "counts")])
def test_a_module_that_is_nowhere_is_told_with_the_nearest(make: Make, module: str, meant: str) -> None:
    [finding] = check_files([make(GOOD.replace("work.counts:merge", f"{module}:merge"))]).findings
    assert (finding.code, finding.suggestion) == ("MODULE_MISSING", f"did you mean {meant!r}?")


def test_a_module_is_looked_at_and_never_imported(make: Make, tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'trap')!r}, 'w')\n"
    assert check_files([make(module=trap + MODULE)]).findings == []
    assert not (tmp_path / "trap").exists()


def test_a_function_of_an_installed_package_is_not_doubted(make: Make) -> None:
    assert check_files([make(GOOD.replace("work.counts:merge", "json.tool:main"))]).findings == []


def test_a_folder_that_the_project_names_is_looked_in(make: Make, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/sums.py").write_text("def merge(client): ...\n")
    pipeline = make(GOOD.replace("work.counts:merge", "sums:merge"), PROJECT + "code: [lib]\n")
    assert check_files([pipeline]).findings == []
