# SPDX-License-Identifier: Apache-2.0
"""Names of jobs on a cluster that tasks share."""

from __future__ import annotations

import pytest

from airflow_dataops.core.dataproc_dask.text_rules import _JOB_NAME
from airflow_dataops.operators.dataproc_dask._job_name import job_name, mapped_job_name

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize(
    ("task_id", "name"),
    [("load_it", "load-it"), ("a", "a"), ("t" * 30, "t" * 30)],
)
def test_a_task_gives_its_job_its_id(task_id: str, name: str) -> None:
    assert job_name(task_id) == name


def test_jobs_of_different_tasks_never_share_a_name() -> None:
    long = "compute_delays_by_carrier_and_month_"
    ids = [
        f"{long}01",
        f"{long}02",
        "load_it",
        "load-it",
        "Load_it",
        "dask.load_it",
        "2013_01",
        "2013_02",
        "_",
        "ÄÖ",
        "ÖÄ",
    ]
    names = {job_name(one) for one in ids}
    assert len(names) == len(ids)
    assert all(_JOB_NAME.fullmatch(one) for one in names)


def test_a_mapped_job_has_a_name_that_google_takes() -> None:
    names = {mapped_job_name(name, index) for name in ("n" * 30, "n" * 29 + "m", "short") for index in (0, 7, 1023)}
    assert len(names) == 9
    assert mapped_job_name("short", 7) == "short-7"
    assert all(_JOB_NAME.fullmatch(one) for one in names)
