# SPDX-License-Identifier: Apache-2.0
"""Print the JSON Schema of a kind, of dataops.yaml (`project`), or of every pipeline file.

With --write the schemas go into .dataops/schema of the project, and the lines for the editor are printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

EXAMPLES = """\
examples:
  dataops schema bronze_to_silver
  dataops schema project              of dataops.yaml
  dataops schema --write              files for the editor, and what to tell it
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", nargs="?", help="a kind, or project; without it any pipeline file")
    parser.add_argument("--write", action="store_true", help="write all schemas into .dataops/schema of the project")


def run(arguments: argparse.Namespace) -> int:
    """Print or write, and return the exit status."""
    from dag_factories.schema import schema_of, schema_of_any

    if arguments.write:
        return _write()
    schema = schema_of(arguments.kind) if arguments.kind else schema_of_any()
    print(json.dumps(schema, indent=2, ensure_ascii=False))
    return 0


def _write() -> int:
    from dag_factories.project import FILE_NAME, find_root
    from dag_factories.schema import FOLDER, PROJECT, write_schemas
    from dag_factories.specs import kinds

    root = find_root(Path.cwd()) or Path.cwd()
    for path in write_schemas(root):
        print(path)
    print("\nFor any editor with a YAML language server, as the first line of a pipeline file:")
    for kind in kinds():
        print(f"  # yaml-language-server: $schema={FOLDER.as_posix()}/{kind}.json")
    print(f"and of {FILE_NAME}:\n  # yaml-language-server: $schema={FOLDER.as_posix()}/{PROJECT}.json")
    return 0
