# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import TransientError
from airflow_dataops.jobs.dask_failure import as_failure
from airflow_dataops.jobs.dask_runtime.base import Seen, Session


class Late:
    def wait_for_workers(self, count: int, timeout: float) -> None:
        raise TimeoutError


class Slow(Session):
    """A session one of whose workers has come in time."""

    def look(self, timeout: float) -> Seen:
        return Seen("s", 1)


class NoValidWorkerError(Exception):
    """Known by its name."""


def late(runtime: str) -> TransientError:
    with pytest.raises(TransientError) as caught:
        Slow(Late(), runtime).wait_for_workers(2, 5)
    assert (caught.value.code, caught.value.message) == ("NO_WORKERS", "1 of 2 Dask workers came within 5 s")
    return caught.value


@pytest.mark.parametrize(
    ("runtime", "where"),
    [("standalone", "journalctl -u dataops-dask-worker"), ("yarn", "yarn logs"), ("local", "the lines above say why")],
)
def test_workers_that_do_not_come_are_looked_for_where_they_are(runtime: str, where: str) -> None:
    assert where in (late(runtime).hint or "")


def test_a_laptop_has_no_units_and_no_yarn() -> None:
    assert not any(word in (late("local").hint or "") for word in ("journalctl", "yarn", "spot"))


@pytest.mark.parametrize(("runtime", "told"), [("local", "resources.memory_bytes"), ("yarn", "spot machines")])
def test_work_without_a_worker_is_told_what_helps_there(runtime: str, told: str) -> None:
    error: Any = as_failure(NoValidWorkerError("none"), runtime=runtime)
    assert (error.code, told in error.hint) == ("NO_WORKERS", True)
