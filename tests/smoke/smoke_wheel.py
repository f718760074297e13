# SPDX-License-Identifier: Apache-2.0
"""What a user gets who installs the wheel without Airflow. Run with unittest, since nothing but the base is installed here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import unittest
from importlib import import_module
from importlib.metadata import distribution, entry_points
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "example_dags"
DATAOPS = Path(sys.executable).with_name("dataops")


def dataops(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command beside the examples."""
    return subprocess.run([str(DATAOPS), *arguments], cwd=EXAMPLES, capture_output=True, text=True, check=False)


class TheWheel(unittest.TestCase):
    """The wheel in an environment with the base dependencies only."""

    def test_this_is_the_base_and_not_the_checkout(self) -> None:
        self.assertIsNone(importlib.util.find_spec("airflow"))
        self.assertIn("site-packages", import_module("airflow_dataops").__file__)

    def test_version_and_typing_marks_are_in_it(self) -> None:
        dist = distribution("airflow-dataops")
        self.assertEqual(dist.version, import_module("airflow_dataops").__version__)
        files = {str(path) for path in dist.files or ()}
        self.assertLessEqual({"airflow_dataops/py.typed", "dag_factories/py.typed"}, files)
        self.assertEqual([name for name in files if name.startswith(("tests/", "docs/", "example_dags/"))], [])
        self.assertTrue([name for name in files if name.endswith("licenses/LICENSE")])

    def test_airflow_would_find_the_provider(self) -> None:
        [entry] = entry_points(group="apache_airflow_provider")
        self.assertEqual(entry.load()()["package-name"], "airflow-dataops")

    def test_an_operator_without_airflow_says_what_to_install(self) -> None:
        with self.assertRaises(ImportError) as caught:
            import_module("airflow_dataops.operators.dq_gate")
        self.assertRegex(str(caught.exception), r"pip install ['\"]airflow-dataops\[airflow\]['\"]")

    def test_the_command_explains_itself(self) -> None:
        done = dataops("--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("check", done.stdout)

    def test_check_finds_a_mistake_by_its_line(self) -> None:
        bad = EXAMPLES / "mistaken.yaml"
        bad.write_text((EXAMPLES / "flights.yaml").read_text().replace("name: flights", "nmae: mistaken"))
        self.addCleanup(bad.unlink)
        done = dataops("check", bad.name, "--format", "json")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(all(finding["line"] >= 1 and finding["code"] for finding in json.loads(done.stdout)))

    def test_a_pipeline_runs_and_leaves_a_table_and_a_page(self) -> None:
        self.assertEqual(dataops("check", "flights.yaml").returncode, 0)
        done = dataops("run", "flights.yaml", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        lake = EXAMPLES / "lake"
        self.assertTrue(list(lake.glob("silver/flights/**/*.parquet")))
        self.assertTrue(list(lake.glob("quarantine/flights/**/*.parquet")))
        self.assertTrue(list(lake.glob(".dataops/runs/flights/*/report.html")))


if __name__ == "__main__":
    unittest.main()
