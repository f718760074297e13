# SPDX-License-Identifier: Apache-2.0
"""Mode ``crd`` in tests: the operators' stand-ins, their images, and tasks that have a SparkApplication made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.integration.spark_k8s.operating import PROGRAMS as OF_THE_OPERATOR
from tests.integration.spark_k8s.operating import arguments, shell
from tests.integration.spark_k8s.watching import pods
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.controllers import Operators, operators
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.stand_in import PATTERN, stand_in
from tests.unit.operators.shell import Shell

PROGRAMS = {
    "good.py": """
import json, os, sys, time
print("begun")
print("the password is", os.environ["STORE_PASSWORD"])
time.sleep(float(sys.argv[1]) if sys.argv[1:] else 0)
open("/dev/termination-log", "w").write(json.dumps({"rows": 7}))
print("done")
""",
    "bad.py": "print('so far'); raise ValueError('no such column: tailnum')",
    "bad_once_told.py": """
import sys, time, urllib.request, uuid
gate = urllib.request.build_opener(urllib.request.ProxyHandler({}))
place = sys.argv[1] + "/" + uuid.uuid4().hex
def told(*error):
    sys.__excepthook__(*error)
    while True:
        try:
            gate.open(place).read()
            break
        except OSError:
            time.sleep(0.2)
sys.excepthook = told
raise ValueError('no such column: tailnum')
""",
    "later.py": """
import sys, urllib.error, urllib.request
print("begun")
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1]).read()
except urllib.error.HTTPError:
    sys.exit(3)
""",
    "waits.py": OF_THE_OPERATOR["waits.py"],
}


@pytest.fixture(scope="module")
def spark_operators(kube: KubeServer, node: PodRunner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    """Both operators, and images ``stand-in/*`` of Spark's manner."""
    if not node.isolate:
        pytest.skip("needs root: an image's files are laid over the host's")
    node.images[PATTERN] = stand_in(tmp_path_factory.mktemp("image"), PROGRAMS)
    with operators(kube, tmp_path_factory.mktemp("operators")) as found:
        yield found


def arguments_of(
    namespace: Namespace, kind: ApplicationApi, program: str, *args: str, deferrable: bool = True, **more: Any
) -> dict[str, Any]:
    """Return the operator's arguments for a program in mode crd; ``more`` are fields of app, or ``policy``."""
    given = arguments(namespace, program, *args, deferrable=deferrable)
    given["policy"] |= more.pop("policy", {})
    given["app"] |= more
    given["target"] |= {"application_api": kind.value}
    return {**given, "mode": "crd"}


def task_of(
    namespace: Namespace, kind: ApplicationApi, program: str, *args: str, number: int = 1, **more: Any
) -> Shell:
    """Return a task that runs a program in mode crd; for ``more`` see :func:`arguments_of`."""
    return shell(arguments_of(namespace, kind, program, *args, **more), number)


def applications(namespace: Namespace, kind: ApplicationApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = namespace.api("GET", namespace.path("sparkapplications", group=kind.value))["items"]
    return found


def gone(namespace: Namespace, kind: ApplicationApi) -> None:
    until(lambda: not applications(namespace, kind) and not pods(namespace))
