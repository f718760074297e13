# SPDX-License-Identifier: Apache-2.0
"""Starts a step of a pipeline where only a file can be started: ``spark-submit step.py STEP``, or ``/opt/dataops/step.py`` in the image."""

from __future__ import annotations

import sys

from airflow_dataops.jobs.on_spark import main

if __name__ == "__main__":
    sys.exit(main())
