# SPDX-License-Identifier: Apache-2.0
"""What a partition folder cannot hold on Spark is refused, and not changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.tables import SourceSpec, TargetSpec
from tests.comparing import GATE, pieces
from tests.spark.comparing import both_refine

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")


def test_an_empty_text_in_a_partition_column_is_refused(tmp_path: Path) -> None:
    source = pieces(tmp_path / "source", [{"i": 1, "t": ""}, {"i": 2, "t": "a"}], GATE, [])
    target = TargetSpec(path=str(tmp_path / "silver"), partition_by=["t"])
    with pytest.raises(InputError, match="column 't' has an empty text"):
        both_refine(tmp_path, SourceSpec(path=source), target=target)
