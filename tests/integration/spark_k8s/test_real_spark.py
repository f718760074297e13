# SPDX-License-Identifier: Apache-2.0
"""Real Spark in the driver's pod, with executors in pods of their own, through the product's client."""

from __future__ import annotations

import asyncio

import pytest

from airflow_dataops.core.spark_k8s.state import Outcome
from tests.integration.spark_k8s.running import driven, run_of
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.spark_image import missing, spark_image

PROGRAMS = {
    "sum.py": """
import os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
if sys.argv[1:]:
    spark.sql("select " + sys.argv[1] + " from range(1)").show()
rows = spark.range(1000, numPartitions=4)
hosts = rows.rdd.mapPartitions(lambda part: [__import__("socket").gethostname()]).distinct().collect()
total = rows.selectExpr("sum(id)").first()[0]
open(os.environ["DATAOPS_RESULT"], "w").write(f"{total} {len(hosts)}")
spark.stop()
"""
}


@pytest.fixture(scope="module", autouse=True)
def image(node: PodRunner, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make images ``real/*`` of Spark."""
    why = missing()
    if why:
        pytest.skip(why)
    node.images["real/*"] = spark_image(tmp_path_factory.mktemp("spark"), PROGRAMS)


def run(namespace: Namespace, *args: str) -> tuple[Outcome, list[str]]:
    small = {"cores": "100m", "memory": "512m"}
    app = {
        "image": "real/spark:3.5.7",
        "driver": small,
        "executor": small,
        "executors": 1,
        "conf": {"spark.ui.enabled": False},
    }
    outcome, lines, _ = asyncio.run(driven(namespace, run_of(namespace, "sum.py", *args, app=app)))
    return outcome, lines


def test_a_job_runs_on_its_executors_and_leaves_its_result(namespace: Namespace) -> None:
    outcome, lines = run(namespace)
    assert outcome.failure is None, "\n".join(lines[-40:])
    assert (outcome.summary.result, outcome.summary.exit_code) == ("499500 1", 0)
    assert outcome.summary.executor_peak == 1
    until(lambda: not namespace.api("GET", namespace.path("pods"))["items"])


def test_an_error_of_sparks_is_told(namespace: Namespace) -> None:
    outcome, lines = run(namespace, "tailnum")
    assert outcome.failure is not None, "\n".join(lines[-40:])
    assert (outcome.failure.code, "tailnum" in outcome.failure.message) == ("APP_ERROR", True)
