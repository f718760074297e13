# SPDX-License-Identifier: Apache-2.0
"""The file that Dataproc starts on the cluster: it only calls the driver, which lies in the environment."""

from __future__ import annotations

ENVIRONMENT = "/opt/dataops/env"
PYTHON = f"{ENVIRONMENT}/bin/python"

_TEXT = '''\
# SPDX-License-Identifier: Apache-2.0
"""Starts the driver of a Dask job; everything else comes from the environment of the node."""

import sys

if __name__ == "__main__":
    try:
        from airflow_dataops.jobs.dask_driver import run_as_process
    except ImportError as error:
        sys.exit(
            f"ERROR {sys.executable} cannot import the driver: {error}\\n"
            "ERROR   -> build the environment with `dataops package`, and start the job with spark.pyspark.python="
            "/opt/dataops/env/bin/python"
        )
    run_as_process()
'''


def bootstrap() -> bytes:
    """Return the text of a job's ``main_python_file_uri``; the same for all jobs of a version."""
    return _TEXT.encode()


def driver_properties() -> dict[str, str]:
    """Return the properties of a ``PySparkJob`` by which the environment's Python runs the driver, and Spark itself stays small."""
    return {"spark.pyspark.python": PYTHON, "spark.pyspark.driver.python": PYTHON}


__all__ = ["ENVIRONMENT", "PYTHON", "bootstrap", "driver_properties"]
