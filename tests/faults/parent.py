# SPDX-License-Identifier: Apache-2.0
"""What an operator's process does, in small: ``python -m tests.faults.parent JOB SPEC`` runs an armed job to its end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow_dataops.clients.job_process import JobProcess
from tests.faults.pipeline import SALT
from tests.faults.server import JOBS

if __name__ == "__main__":
    job, path = sys.argv[1:]
    spec = JOBS[job][0].model_validate_json(Path(path).read_bytes())
    document = JobProcess(job, module="tests.faults.armed_job").run(spec, SALT, on_line=lambda _level, _text: None)
    sys.stdout.write(json.dumps(document))
