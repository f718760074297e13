# SPDX-License-Identifier: Apache-2.0
"""The source tree as the house tests see it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("airflow_dataops", "dag_factories")
# Layers that run where there is no Airflow; only these modules of the factories need it.
AIRFLOW_FREE = ("core", "clients", "engines", "jobs", "report")
SHELL = ("operators", "sensors", "triggers", "hooks", "links", "notifications", "plugins")
REALISE = "dag_factories.realise"


def sources(*folders: str) -> list[Path]:
    """Return all Python files below the folders, relative to the root, sorted."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def modules(*packages: str) -> list[str]:
    """Return the dotted names of all modules below the packages; nothing for a package that does not exist."""
    names = [".".join(path.with_suffix("").parts) for path in sources(*(name.replace(".", "/") for name in packages))]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def script(path: str) -> ModuleType:
    """Return a script of no package as a module, by its place below the root."""
    file = ROOT / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_python(code: str, *args: str) -> str:
    """Run ``code`` in a fresh interpreter and return its output; its error output is shown when it fails."""
    done = subprocess.run([sys.executable, "-c", code, *args], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def imported_by(names: list[str], *, after: str = "", block: str = "") -> set[str]:
    """Import modules in a fresh interpreter and return what that loaded.

    Args:
        names: Modules to import.
        after: Statement that is executed first; what it loads does not count.
        block: Top-level package whose import fails there.
    """
    code = """
import importlib, json, sys
names, after, block = json.loads(sys.argv[1])

class Block:
    def find_spec(self, name, path=None, target=None):
        if block and (name == block or name.startswith(block + ".")):
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)

sys.meta_path.insert(0, Block())
exec(after)
before = set(sys.modules)
for name in names:
    importlib.import_module(name)
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""
    return set(json.loads(run_python(code, json.dumps([names, after, block])).splitlines()[-1]))
