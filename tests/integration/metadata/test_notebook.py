# SPDX-License-Identifier: Apache-2.0
"""The example notebook, run as it stands, twice: what it found is in the topic, under the same keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.metadata.wire import decode
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import records
from tests.services.metadata_api import metadata_api
from tests.unit.core.metadata.events import NOW

nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel: make sets them up")
nbformat = pytest.importorskip("nbformat")
for needed in ("fastapi", "ipykernel", "numpy", "PIL", "urllib3"):
    pytest.importorskip(needed)

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOK = ROOT / "example_dags/notebooks/extract_metadata.ipynb"
LATER = NOW.replace(year=9999)


def test_the_notebook_finds_what_is_in_the_images_and_posts_it_once(
    broker: Kafka, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with metadata_api(tmp_path, broker.bootstrap(), topic=topic) as api:
        monkeypatch.setenv("METADATA_API", api.url)
        monkeypatch.setenv("IMAGES", str(tmp_path / "images"))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        said = [run(tmp_path) for _ in range(2)]
    assert all("12 events accepted, on " in text for text in said)
    found = [decode(one.value(), key=one.key(), now=LATER) for one in records(broker, topic)]
    assert (len(found), len({read.event.idempotency_key for read in found})) == (24, 12)
    scratched: dict[str, bool] = {}
    for read in found:
        event: Any = read.event
        scratched[event.object.uri.rsplit("/", 1)[1]] = bool(event.extracted.images[0].labels)
        assert {metric.name for metric in event.extracted.metrics} == {"brightness", "seconds", "sharpness"}
    assert scratched == {f"part-{number:04d}.png": number % 3 == 0 for number in range(12)}


def run(folder: Path) -> str:
    """Return what the last cell printed."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return "".join(one.get("text", "") for one in notebook.cells[-1].outputs)


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
