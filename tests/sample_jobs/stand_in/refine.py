# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

from airflow_dataops.core.refine.spec import RefineSpec
from airflow_dataops.jobs.process import main
from tests.sample_jobs.stand_in import refine  # noqa: PLW0406 - the package's function of that name

if __name__ == "__main__":
    sys.exit(main(RefineSpec, refine))
