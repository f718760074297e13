# SPDX-License-Identifier: Apache-2.0
"""One small Spark application for all tests of a process; which Spark it is, the environment decides (`tools/spark_env.sh`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    from tests.spark.application import started

    folder: Path = tmp_path_factory.mktemp("spark")
    with started(folder) as session:
        yield session
