# SPDX-License-Identifier: Apache-2.0
"""Records what the machine saw when it said why a driver failed: a file for each row of causes in the fault table.

``python -m tests.integration.spark_k8s.record_diagnoses`` writes ``tests/unit/core/spark_k8s/fixtures/*.json``, which the unit tests of the
diagnosis read. It needs root and what ``tools/kube.sh`` builds. Names of rows, to record only these, may follow.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tests.conftest  # noqa: F401  an Airflow home of its own, before anything imports Airflow
from airflow_dataops.core.spark_k8s import answers, judging
from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import PROGRAMS, connect, hurry, shell
from tests.integration.spark_k8s.table import ACTED, CAUSES, Place, Row
from tests.services.kube.accounts import Namespace
from tests.services.kube.binary import HOW_TO_GET_IT, binary
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.proxy import Proxy
from tests.services.kube.stand_in import PATTERN, stand_in

FOLDER = Path(__file__).resolve().parents[2] / "unit/core/spark_k8s/fixtures"
_BY = "python -m tests.integration.spark_k8s.record_diagnoses"


def main(wanted: Sequence[str]) -> None:
    """Record all rows of causes, or those that are wanted."""
    program = binary()
    if program is None:
        sys.exit(HOW_TO_GET_IT)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, KubeServer(program) as kube, PodRunner(kube) as node:
        Path(folder).chmod(0o755)
        node.images[PATTERN] = stand_in(Path(folder), PROGRAMS)
        for row in CAUSES:
            if not wanted or row.id in wanted:
                namespace, gates = Namespace(kube, node.api), Gates()
                with Proxy(kube) as proxy:
                    _write(row, _recorded(row, Place(namespace, node, gates, proxy=proxy)))
                namespace.remove()
                gates.close()


def _recorded(row: Row, place: Place) -> dict[str, Any]:
    """Play a row, and return what the last diagnosis was made of."""
    seen: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        connect(place.namespace, patch, place.proxy.url if place.proxy else "")
        place = replace(place, clock=hurry(patch))
        diagnose, refusal = judging.diagnose, answers.refusal

        def look(*given: Any) -> Any:
            seen.append(dict(zip(("pod", "events", "executors", "log_tail", "said"), given, strict=False)))
            return diagnose(*given)

        def hear(said: str) -> Any:
            seen.append({"said": said})
            return refusal(said)

        patch.setattr(judging, "diagnose", look)
        patch.setattr(answers, "refusal", hear)
        meanwhile = row.play(place)
        try:
            shell(row.arguments(place, deferrable=False)).run()
        except Exception as error:  # noqa: BLE001  every row of these fails
            print(f"{row.id}: {error}")
        meanwhile.join(120)
    return seen[-1]


def _write(row: Row, seen: dict[str, Any]) -> None:
    found = {
        "code": row.code,
        "recorded_by": _BY,
        "constructed": ACTED.get(row.id, ""),
        "pod": _plain(seen["pod"]) if seen.get("pod") is not None else None,
        **{name: [_plain(one) for one in seen.get(name) or ()] for name in ("events", "executors")},
        **{name: seen.get(name) or "" for name in ("log_tail", "said")},
    }
    path = FOLDER / f"{row.id.lower().replace(' ', '_')}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _plain(view: Any) -> dict[str, Any]:
    plain: dict[str, Any] = view.model_dump(mode="json", exclude_defaults=True)
    return plain


if __name__ == "__main__":
    main(sys.argv[1:])
