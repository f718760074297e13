# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/metadata-api.openapi.json: the document that the metadata API answers with. ``--check`` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow_dataops.services.metadata_api.openapi import openapi

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "metadata-api.openapi.json"


def text() -> str:
    """Return what the file should hold."""
    return json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write it, or with ``--check`` say whether it is stale; returns the exit code."""
    if "--check" in sys.argv[1:]:
        stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text()
        if stale:
            print("stale, run tools/openapi.py")
        return int(stale)
    PAGE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
