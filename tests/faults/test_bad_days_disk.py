# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full, read-only or out of files: the run says so, readers see the old table or the new one, a rerun makes it good.

CI fills the disk at some of the places that a run comes to, drawn from the commit's hash; ``make soak AREA=disk`` at all of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.faults import FaultPoint, armed
from airflow_dataops.core.refine.spec import PublishSpec
from airflow_dataops.jobs import publish
from tests.drawing import drawing
from tests.faults.bad_day import BAD_DAY, CSV, DAY_BEFORE, PARQUET, SALT, SALT_NAME, Lab, orders, run_printed
from tests.faults.disk import Disk

pytestmark = [pytest.mark.own_mounts, pytest.mark.integration]
ROOT = Path(__file__).resolve().parents[2]
DRAWN = 3
AFTER_COMMIT = ("publish.committed", "publish.indexed", "publish.unmarked", "publish.step_done", "publish.cleaned")


class Scene:
    """A lab on a small disk, set back to the morning of the bad day as often as one likes."""

    def __init__(
        self, folder: Path, table_format: str = "parquet", source: str = PARQUET, inodes: int | None = None
    ) -> None:
        self.disk = Disk(folder / "disk", inodes=inodes)
        self.lab = Lab(self.disk.path / "project", table_format, source=source)
        self._deliver(0)
        assert self.lab.run(DAY_BEFORE).status == 0
        self._deliver(5)
        self._morning = folder / "morning"
        shutil.copytree(self.lab.root, self._morning, symlinks=True)
        self.before = self.lab.files()
        self.old = self.lab.rows()
        self.points: list[FaultPoint] = []
        with armed(self.points.append):
            assert self.lab.run().status == 0
        self.wanted = self.lab.state()

    def set_back(self) -> None:
        """Make the bad day's morning again, with room on the disk."""
        self.disk.give_space()
        shutil.rmtree(self.lab.root)
        shutil.copytree(self._morning, self.lab.root, symlinks=True)

    def fails_well(self, status: int, printed: str, code: str) -> None:
        """Assert what holds while the disk is still as it is."""
        assert "UNEXPECTED" not in printed, printed
        assert "Traceback" not in printed, printed
        assert SALT not in printed
        rows = self.lab.rows()
        assert rows in (self.old, self.wanted[0]), "a reader sees the old table or the new one"
        assert status == 1 or rows == self.wanted[0]
        assert status == 0 or code in printed, printed
        assert not [name for name in self.lab.files() if ".tmp-" in name]

    def is_mended(self) -> None:
        """Assert that a rerun ends as an undisturbed run does."""
        day = self.lab.run()
        assert day.status == 0, day.printed
        assert self.lab.state() == self.wanted

    def _deliver(self, first: int) -> None:
        rows = orders(first=first, count=4000)
        if self.lab.is_csv:
            lines = (",".join("" if v is None else str(v) for v in row.values()) for row in rows.to_pylist())
            self.lab.put("a.csv", ("id,amount,email\n" + "\n".join(lines) + "\n").encode())
        else:
            self.lab.put("a.parquet", rows)


@contextlib.contextmanager
def full_at(scene: Scene, point: FaultPoint, leave: int = 0) -> Iterator[None]:
    """Fill the disk the first time that the run comes to a point."""
    done = []

    def hook(reached: FaultPoint) -> None:
        if reached is point and not done:
            done.append(reached)
            scene.disk.fill(leave)

    with armed(hook):
        yield
    assert done, f"the run never came to {point}"


@pytest.mark.parametrize("drawn", [DRAWN, pytest.param(None, marks=pytest.mark.soak)], ids=["drawn", "all"])
@pytest.mark.parametrize(
    ("table_format", "part"),
    [("parquet", ("job.", "gate.")), ("parquet", ("refine.",)), ("delta", ("refine.w", "refine.st"))]
    + [(table_format, ("publish.", "table.", "finish.", "report.")) for table_format in ("parquet", "delta")],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_wherever_the_disk_gets_full_the_table_is_whole_and_a_rerun_mends_it(
    tmp_path: Path, table_format: str, part: tuple[str, ...], drawn: int | None
) -> None:
    scene = Scene(tmp_path, table_format)
    places = list(enumerate(point for point in dict.fromkeys(scene.points) if point.value.startswith(part)))
    if drawn is not None:
        places = drawing()[1].sample(places, min(drawn, len(places)))
    for number, point in places:
        scene.set_back()
        with full_at(scene, point, leave=(0, 12288)[number % 2]):
            status, printed = run_printed(scene.lab)
        scene.fails_well(status, printed, "DISK_FULL")
        if point.value.startswith(("gate", "refine")):
            assert (status, scene.lab.files()) == (1, scene.before), point
        staging = scene.lab.root / f"lake/.dataops/staging/orders/{BAD_DAY}T000000"
        if point.value.startswith("refine") and not (staging / "manifest.json").exists():
            assert not list(staging.glob("table/**/*.parquet")), "what nobody can use takes no space"
        scene.disk.give_space()
        scene.is_mended()


@pytest.mark.parametrize("source", [CSV], ids=["csv"])
def test_a_disk_that_fills_while_text_is_decoded(tmp_path: Path, source: str) -> None:
    scene = Scene(tmp_path, source=source)
    for leave in (8192, 40960):
        scene.set_back()
        with full_at(scene, FaultPoint.JOB_STARTED, leave):
            status, printed = run_printed(scene.lab)
        scene.fails_well(status, printed, "DISK_FULL")
        assert scene.lab.files() == scene.before
        scene.disk.give_space()
        scene.is_mended()


def test_a_disk_without_free_inodes(tmp_path: Path) -> None:
    scene = Scene(tmp_path, inodes=400)
    scene.set_back()
    number = 0
    with contextlib.suppress(OSError):
        while True:
            (scene.disk.path / f"filler-{number}").touch()
            number += 1
    status, printed = run_printed(scene.lab)
    scene.fails_well(status, printed, "DISK_FULL")
    assert "df -i" in printed
    assert (status, scene.lab.files()) == (1, scene.before)
    scene.disk.remount("nr_inodes=5000")
    scene.is_mended()


def test_a_larger_disk_is_enough(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.set_back()
    scene.disk.fill()
    status, printed = run_printed(scene.lab)
    scene.fails_well(status, printed, "DISK_FULL")
    scene.disk.remount("size=64m")
    scene.is_mended()


def test_a_lake_that_is_mounted_read_only(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.set_back()
    scene.disk.remount("ro")
    status, printed = run_printed(scene.lab)
    scene.fails_well(status, printed, "STORAGE_DENIED")
    assert "mount the volume for writing" in printed
    assert (status, scene.lab.files()) == (1, scene.before)
    scene.disk.remount("rw")
    scene.is_mended()


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_a_lake_that_becomes_read_only_at_the_commit(tmp_path: Path, table_format: str) -> None:
    scene = Scene(tmp_path, table_format)
    scene.set_back()

    def hook(point: FaultPoint) -> None:
        if point is FaultPoint.PUBLISH_PLANNED:
            scene.disk.remount("ro")

    with armed(hook):
        status, printed = run_printed(scene.lab)
    scene.fails_well(status, printed, "STORAGE_DENIED")
    assert status == 1
    scene.disk.remount("rw")
    scene.is_mended()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_a_lake_of_another_user(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.set_back()
    for path in (scene.lab.root / "lake").rglob("*"):
        os.chown(path, 65534, 65534)
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "dag_factories", "run"]
    command += [str(scene.lab.root / "orders.yaml"), "--date", BAD_DAY]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, SALT_NAME: SALT}, capture_output=True, text=True, check=False
    )
    scene.fails_well(done.returncode, done.stdout + done.stderr, "STORAGE_DENIED")
    assert "let user 0 use it" in done.stdout + done.stderr
    assert (done.returncode, scene.lab.files()) == (1, scene.before)
    for path in (scene.lab.root / "lake").rglob("*"):
        os.chown(path, 0, 0)
    scene.is_mended()


@pytest.mark.parametrize("gone_wrong", ["full", "read-only"])
def test_a_delta_log_that_cannot_be_written_is_no_conflict_with_another_writer(tmp_path: Path, gone_wrong: str) -> None:
    scene = Scene(tmp_path, "delta")
    scene.set_back()

    def hook(point: FaultPoint) -> None:
        if point is FaultPoint.PUBLISH_LEASE_CHECKED:
            if gone_wrong == "full":
                scene.disk.fill()
            else:
                scene.disk.remount("ro")

    spec = staged(scene.lab)
    with armed(hook), pytest.raises(DataOpsError) as caught:
        publish.run(spec)
    expected = "DISK_FULL" if gone_wrong == "full" else "STORAGE_DENIED"
    assert (caught.value.code, "writing the log of Delta table" in caught.value.message) == (expected, True)
    assert scene.lab.rows() == scene.old
    scene.disk.remount("rw")
    scene.disk.give_space()
    scene.is_mended()


def staged(lab: Lab) -> PublishSpec:
    """Do the day up to its publish, which stops before it begins; returns what was to be published."""

    def stop(point: FaultPoint) -> None:
        if point is FaultPoint.PUBLISH_LEASED:
            raise DataOpsError("stopped by the test")

    with armed(stop):
        assert lab.run().status == 1
    steps = lab.root / f"lake/.dataops/runs/orders/{BAD_DAY}T000000/steps"
    return PublishSpec.model_validate_json((steps / "publish.spec.json").read_bytes())
