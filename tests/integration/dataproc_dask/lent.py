# SPDX-License-Identifier: Apache-2.0
"""Functions for the real driver on real Dask machines, and how these are lost."""

from __future__ import annotations

import io
import zipfile

from airflow_dataops.clients.gcs import Gcs
from tests.integration.dataproc_dask.driving import settings
from tests.services.dataproc_fake.running import Project

# Row, fault, how the run ends, and a word of the message.
LOSSES = [(16, "workers_preempted", "NO_WORKERS", "workers"), (15, "scheduler_dies", "JOB_FAILED", "SCHEDULER_LOST")]
FUNCTIONS = """
import time

def squares(client, count):
    print(f"squaring {count} numbers", flush=True)
    return {"total": sum(client.gather(client.map(square, range(count))))}

def naps(client):
    futures = client.map(nap, range(4), pure=False)
    print("the work has begun", flush=True)
    return client.gather(futures)

def square(number):
    return number * number

def nap(number):
    time.sleep(120)
"""


def lend_functions(project: Project) -> str:
    """Put an archive with the functions above into the project's bucket, as the module ``lent_functions``, and return its address."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("lent_functions.py", FUNCTIONS)
    uri, gcs = f"gs://{project.bucket}/code/lent.zip", Gcs(settings(project))
    gcs.write(uri, archive.getvalue())
    gcs.close()
    return uri
