# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airflow_dataops.core.dataproc_dask.bootstrap import PYTHON, bootstrap, driver_properties
from airflow_dataops.core.dataproc_dask.result import Code
from tests.house.tree import ROOT


def test_it_starts_the_driver_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(bootstrap())
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py"), "--help"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "--sha256 HEX" in done.stdout) == (0, True)


def test_without_the_driver_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(bootstrap())
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "main.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "`dataops package`" in done.stderr) == (1, True)


def test_the_properties_name_the_python_of_the_initialization_action() -> None:
    assert set(driver_properties().values()) == {PYTHON}
    script = (ROOT / "airflow_dataops/resources/dataproc/dask_init.sh").read_text()
    assert 'HOME_DIR="${ROOT}/opt/dataops"' in script
    assert f"ExecStart={PYTHON} " in script


def test_the_page_about_the_driver_explains_each_code() -> None:
    page = (ROOT / "docs/explanation/dask_driver.md").read_text()
    assert {code.value for code in Code if f"`{code.value}`" not in page} == set()
