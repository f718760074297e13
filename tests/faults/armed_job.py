# SPDX-License-Identifier: Apache-2.0
"""A job as a real process, armed: ``python -m tests.faults.armed_job --spec -``, as :class:`JobProcess` starts it.

Its plan is in ``arm.json`` in the folder for temporary files, the one thing of a test that a job's clean environment lets through.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from airflow_dataops.jobs.process import main
from tests.faults.arming import Plan, in_force
from tests.faults.server import JOBS

if __name__ == "__main__":
    folder = Path(tempfile.gettempdir())
    order = json.loads((folder / "arm.json").read_text())
    spec_type, run = JOBS[order["job"]]
    with in_force(Plan(**order["plan"]), str(folder / "trace")):
        raise SystemExit(main(spec_type, run))
