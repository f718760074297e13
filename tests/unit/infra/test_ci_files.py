# SPDX-License-Identifier: Apache-2.0
"""The files for CI are what GitHub and GitLab take, call commands that we have, and hold no secret."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tests.unit.infra.terraform import FOLDER, read

CI = FOLDER.parent / "ci"
FILES = {
    "github-actions.yml": ["vendor.github-workflows"],
    "gitlab-ci.yml": ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}


def _check(path: Path, schema: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_what_ci_takes(name: str) -> None:
    checked = _check(CI / name, FILES[name])
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_ci_would_refuse_is_seen(name: str, tmp_path: Path) -> None:
    document = yaml.safe_load((CI / name).read_text())
    job = document.get("jobs", document)["check"]
    job["timeout-minutes" if "jobs" in document else "timeout"] = {"not": "a time"}
    (tmp_path / name).write_text(yaml.safe_dump(document))
    assert _check(tmp_path / name, FILES[name]).returncode != 0


@pytest.mark.parametrize("name", FILES)
def test_the_commands_are_ours(name: str) -> None:
    text = (CI / name).read_text()
    commands = re.findall(r"^[^#\n]*?\bdataops ((?:check|package) [^>\n]*)", text, re.MULTILINE)
    assert {command.split()[0] for command in commands} == {"check", "package"}
    for command in commands:
        name, *words = re.sub(r'"?\$\{\{[^}]*\}\}"?|"\$\w+"', "some-bucket", command).split()
        parser = argparse.ArgumentParser(allow_abbrev=False)
        import_module(f"dag_factories.cli.{name}").add_arguments(parser)
        parser.parse_args(words)


@pytest.mark.parametrize("name", FILES)
def test_nothing_in_it_is_secret(name: str) -> None:
    text = (CI / name).read_text()
    assert "secrets." not in text
    assert "credentials_json" not in text
    said = set(re.findall(r"[A-Z]+(?:_[A-Z]+)*_(?:PROVIDER|ACCOUNT|BUCKET)\b", text))
    assert said == {"WORKLOAD_IDENTITY_PROVIDER", "DEPLOY_SERVICE_ACCOUNT", "DAG_BUCKET", "CODE_BUCKET"}
    assert {"workload_identity_providers", "deploy_service_account", "dag_bucket"} <= set(read().outputs)
