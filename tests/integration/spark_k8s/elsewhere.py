# SPDX-License-Identifier: Apache-2.0
"""Forks processes that each do a part of a task's life, and that are there to be killed; see ``tests/integration/forking.py``.

What a child is told: ``arguments`` of the operator, the number of the ``try``, and what to ``do``: ``run`` (the worker waits for the end),
``begin`` (up to the deferral; it leaves the trigger's arguments), ``trigger`` (from its ``arguments`` to its event), ``complete`` (with an
``event``). It writes to the file ``outcome`` what it came to, or the code and the text of its failure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.triggers.spark_k8s import SparkKubernetesTrigger
from tests.integration.forking import serve
from tests.integration.spark_k8s.operating import hurry, shell
from tests.unit.operators.shell import fire

MODULE = "tests.integration.spark_k8s.elsewhere"
# What an event loop would import beside it.
MODULES = (
    "aiohttp",
    "kubernetes_asyncio.client",
    "kubernetes_asyncio.config",
    "airflow_dataops.clients.spark_k8s.drive",
    "airflow_dataops.hooks.spark_k8s",
)


def work(told: dict[str, Any]) -> None:
    """Do what is asked for, to the end."""
    hurry(pytest.MonkeyPatch())
    try:
        found = _done(told)
    except DataOpsError as error:
        found = {"failed": error.code, "text": str(error)}
    except Exception as error:
        if type(error).__name__ != "AirflowFailException":
            raise
        found = {"failed": str(error).partition(":")[0], "text": str(error)}
    Path(told["outcome"]).write_text(json.dumps(found))


def _done(told: dict[str, Any]) -> Any:
    if told["do"] == "trigger":
        return fire(SparkKubernetesTrigger(**told["arguments"]))
    task = shell(told["arguments"], told["try"])
    if told["do"] == "begin":
        return task.begin().serialize()[1]
    return task.complete(told["event"]) if told["do"] == "complete" else task.run()


if __name__ == "__main__":
    serve(work, *MODULES)
