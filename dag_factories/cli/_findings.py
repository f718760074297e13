# SPDX-License-Identifier: Apache-2.0
"""A file that cannot be used, shown as `dataops check` shows it."""

from __future__ import annotations

import sys
from pathlib import Path

from dag_factories.findings import PipelineError


def show(error: PipelineError, file: Path) -> None:
    """Print the findings of a file with their lines to stderr."""
    from dag_factories.check.formats import as_text
    from dag_factories.pipeline import display

    file = file.absolute()
    texts = {display(file): file.read_text(encoding="utf-8", errors="replace")} if file.is_file() else {}
    print(as_text(error.findings, texts), file=sys.stderr)
