# SPDX-License-Identifier: Apache-2.0
"""A DAG as the scheduler gets it."""

from __future__ import annotations

from typing import Any

PROJECT = """\
default_target: gcp
targets:
  local: {}
  gcp:
    engine: dask
    runner: dataproc_dask
    lake: gs://lake
    dask:
      project: my-project
      region: europe-west1
      bucket: bucket
      cluster: {subnetwork: projects/p/regions/r/subnetworks/s}
"""


def serialized(dag: Any) -> dict[str, Any]:
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    return Serialization.to_dict(dag)["dag"]
