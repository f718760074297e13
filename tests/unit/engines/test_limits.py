# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.core.tables import Resources
from airflow_dataops.engines.limits import cores, engine_share, limits

MIB = 2**20


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000", "memory.max": "1073741824"}, (1, 1073741824)),
        ({"cpu.max": "max 100000", "memory.max": "max"}, (None, None)),
        (
            {
                "cpu/cpu.cfs_quota_us": "100000",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "536870912",
            },
            (1, 536870912),
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, (None, None)),
    ],
)
def test_limits_come_from_the_cgroup(
    tmp_path: Path, files: dict[str, str], expected: tuple[int | None, int | None]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = limits(Resources(), tmp_path)
    assert found.threads == (expected[0] or cores(tmp_path / "none"))
    assert found.memory_bytes is not None
    assert expected[1] is None or found.memory_bytes <= engine_share(int(expected[1] * 0.8))


@pytest.mark.parametrize(
    ("process", "engine"),
    [(1024 * MIB, 800 * MIB), (384 * MIB, 192 * MIB), (256 * MIB, 128 * MIB), (64 * MIB, 32 * MIB)],
)
def test_the_engine_gets_what_the_process_leaves_and_at_least_half(process: int, engine: int) -> None:
    assert engine_share(process) == engine
    assert limits(Resources(memory_bytes=process)).memory_bytes == engine


def test_a_container_that_is_in_use_leaves_less_to_the_engine(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(str(1024 * MIB))
    (tmp_path / "memory.current").write_text(str(524 * MIB))
    assert limits(Resources(), tmp_path).memory_bytes == engine_share(int(500 * MIB * 0.8))
