# SPDX-License-Identifier: Apache-2.0
"""A gate on the staged table that is run again, with other rules than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_dataops.jobs.process import execute
from tests.faults.pipeline import DAY, SALT, Pipeline, Variant
from tests.faults.server import JOBS


def run(pipeline: Pipeline, *steps: str, **update: Any) -> None:
    for step in steps:
        spec = pipeline.step(step).model_copy(update=update)
        assert execute(spec, JOBS[spec.job][1], SALT, lambda _line: None).error is None


def test_rows_that_an_earlier_try_took_out_are_back_where_the_rules_allow_them(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, Variant("parquet", "full"))
    pipeline.deliver(DAY)
    run(pipeline, "gate", "refine", "silver")
    run(pipeline, "silver", rules=[{"row_count": {"min": 1}}])
    run(pipeline, "publish")
    seen = pipeline.seen()
    assert 99999.0 in [row[0] for row in seen.table]
    assert [name for name in seen.bad if name.endswith("/silver.parquet")] == []
