# SPDX-License-Identifier: Apache-2.0
"""``python -m dag_factories`` is the command ``dataops``."""

from __future__ import annotations

import sys

from dag_factories.cli import main

if __name__ == "__main__":
    sys.exit(main())
