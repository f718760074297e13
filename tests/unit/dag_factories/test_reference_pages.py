# SPDX-License-Identifier: Apache-2.0
"""The reference says what the code says: every key of the files, every command and option."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from dag_factories.cli import COMMANDS

ROOT = Path(__file__).parents[3]


def test_the_tables_of_keys_are_current() -> None:
    command = [sys.executable, "tools/yaml_reference.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_in_the_reference_with_its_options(name: str) -> None:
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert f"## {name}\n" in page
    section = page.split(f"## {name}\n")[1].split("\n## ")[0]
    parser = argparse.ArgumentParser()
    import_module(f"dag_factories.cli.{name.replace('-', '_')}").add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    assert {option for option in options if option not in section} == {"--help"}
