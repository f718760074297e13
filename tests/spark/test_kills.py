# SPDX-License-Identifier: Apache-2.0
"""The driver of a step on Spark is killed, at any place of any step: done again, it leaves what an undisturbed run leaves, and no Java process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from airflow_dataops.core.faults import FaultPoint
from tests.faults.arming import Plan
from tests.faults.fixtures import all_of
from tests.faults.forks import Forks, forks
from tests.faults.pipeline import STEPS, Variant
from tests.faults.points import steps
from tests.faults.walk import Walk

pyspark = pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.timeout(900)
SMALL = {
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_SUBMIT_ARGS": "--driver-memory 1g --conf spark.ui.enabled=false "
    "--driver-java-options '-XX:+UseSerialGC -XX:TieredStopAtLevel=1' pyspark-shell",
}
whole_walk = pytest.mark.skipif(
    not pyspark.__version__.startswith("3.5"), reason="every place is walked on Spark 3.5 only"
)


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """A server that forks drivers, each with a small Spark of its own."""
    with forks(tmp_path_factory.mktemp("forks"), SMALL) as server:
        yield server


@pytest.fixture(scope="module")
def whole(forked: Forks, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """A table whose whole history Spark has made."""
    return Walk(tmp_path_factory.mktemp("whole"), Variant("parquet", "window"), forked, engine="spark", before="spark")


def test_a_driver_is_killed_while_its_executors_write(forked: Forks, tmp_path: Path) -> None:
    """What the run must leave is what one on DuckDB has left."""
    walk = Walk(tmp_path, Variant("delta", "window"), forked, engine="spark")
    walk.expected("rerun")
    walk.restore("refine")
    staged = Path(walk.pipeline.layout().staging)
    walk.kill_when("refine", lambda: any(staged.glob("table/*/_temporary")))
    walk.run_all(STEPS[STEPS.index("refine") :])
    walk.check("rerun")
    walk.all_gone()


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("step", ["refine", "publish"])
@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_a_driver_is_killed_at_its_commit(forked: Forks, tmp_path: Path, table_format: str, step: str) -> None:
    walk = Walk(tmp_path, Variant(table_format, "window"), forked, engine="spark")
    point = {"refine": FaultPoint.REFINE_WRITTEN, "publish": FaultPoint.PUBLISH_MARKED}[step]
    walk.kill_and_check("rerun", step, Plan(point=point.value))


@whole_walk
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("step", steps())
def test_a_driver_is_killed_at_every_place(whole: Walk, step: str) -> None:
    plans = [Plan(point=point, nth=nth) for point, nth in whole.points(step)]
    all_of([(str(plan), partial(whole.kill_and_check, "rerun", step, plan)) for plan in plans])
