# SPDX-License-Identifier: Apache-2.0
"""The example pipeline as its user runs it, `dataops run`, with a lake in S3 and a Delta table: table, bad rows, records and page are there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable

from airflow_dataops.clients.storage import storage_for
from tests.integration.stores.orders import stranger
from tests.services.s3_servers import S3Server

EXAMPLES = Path(__file__).parents[3] / "example_dags"
BRONZE = EXAMPLES / "lake" / "bronze" / "flights"
DATAOPS = "import sys; from dag_factories.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def lake(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in seaweedfs.environ().items():
        monkeypatch.setenv(name, value)
    address = f"s3://{seaweedfs.bucket()}/flights"
    files = [path for path in BRONZE.rglob("*") if path.is_file()]
    storage_for(address).take_all([(str(path), f"{address}/{path.relative_to(EXAMPLES / 'lake')}") for path in files])
    return address


def dataops(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DATAOPS, *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_the_flights_of_a_year(tmp_path: Path, lake: str) -> None:
    project = shutil.copytree(EXAMPLES, tmp_path / "project", ignore=shutil.ignore_patterns("lake", "*.py"))
    (
        project / "gpu_metadata.yaml"
    ).unlink()  # on the target local its servers are files of the lake, and those are no files in S3
    for name, old, new in (
        ("dataops.yaml", "lake: ./lake}", f"lake: {lake}}}"),
        ("flights.yaml", 'silver/flights", format: parquet', 'silver/flights", format: delta'),
    ):
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, new, 1))
    checked = dataops(project, "check", "flights.yaml")
    assert checked.returncode == 0, checked.stdout
    done = dataops(project, "run", "flights.yaml", "--json")
    assert done.returncode == 0, done.stderr
    results = {result["task"]: result for result in map(json.loads, done.stdout.splitlines())}
    table = DeltaTable(f"{lake}/silver/flights", storage_options=stranger())
    assert table.to_pyarrow_table().num_rows == results["publish"]["rows"]["written"] > 300_000
    storage = storage_for(lake)
    names = [info.path.removeprefix(f"{lake}/") for info in storage.find(lake)]
    (page,) = (name for name in names if name.endswith("/report.html"))
    assert (storage.read_bytes(f"{lake}/{page}") or b"").rstrip().endswith(b"</html>")
    assert any(name.startswith("quarantine/flights/run_key=") for name in names)
    assert not any("/staging/" in name for name in names)
    listed = dataops(project, "quarantine", "list")
    assert listed.returncode == 0, listed.stderr
    assert os.environ["S3_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr + listed.stdout
