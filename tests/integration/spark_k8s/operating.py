# SPDX-License-Identifier: Apache-2.0
"""The unmodified operator against a real API server, with a connection whose token may do only what Airflow needs."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator
from tests.integration.spark_k8s.running import Clock
from tests.services.kube.accounts import DRIVER, Namespace
from tests.unit.operators.shell import Shell, Ti

SECRET = "Pa55/word+of=the-store"
CONNECTION, STORE = "AIRFLOW_CONN_CLUSTER", "AIRFLOW_CONN_STORE"
# All that the tests of this folder run in a driver pod, see ``image`` in conftest.py.
PROGRAMS = {
    "good.py": """
import json, os, sys, time, urllib.request
print("begun")
print("the password is", os.environ["STORE_PASSWORD"])
gate = urllib.request.build_opener(urllib.request.ProxyHandler({}))
while sys.argv[1:]:
    try:
        gate.open(sys.argv[1]).read()
        break
    except OSError:
        time.sleep(0.2)
open("/dev/termination-log", "w").write(json.dumps({"rows": 7, "password": os.environ["STORE_PASSWORD"]}))
print("done")
""",
    "bad.py": "print('so far'); raise ValueError('no such column: tailnum')",
    "lines.py": """
import sys, time, urllib.request
for number in range(int(sys.argv[1])):
    print("line", number, "of the driver", "." * 50)
    time.sleep(float(sys.argv[2]))
while sys.argv[3:]:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[3]).read()
        break
    except OSError:
        time.sleep(0.2)
open("/dev/termination-log", "w").write('{"rows": 7}')
""",
    "waits.py": """
import itertools, sys, time, urllib.request
gate = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for number in itertools.count():
    print("line", number, "of the driver")
    try:
        gate.open(sys.argv[1]).read()
        break
    except OSError:
        time.sleep(0.5)
open("/dev/termination-log", "w").write('{"rows": 7}')
""",
    "heeds.py": """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("begun")
time.sleep(600)
""",
    "imports.py": "import no_such_module_of_delta",
    "fails.py": """
import sys, time, urllib.request
print("begun")
while True:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1]).read()
        sys.exit(1)
    except OSError:
        time.sleep(0.2)
""",
    "says.py": """
import base64, sys
print(base64.b64decode(sys.argv[2]).decode())
sys.exit(int(sys.argv[1]))
""",
}


def environment(
    namespace: Namespace, url: str = "", *, token: str = "", token_file: Path | None = None
) -> dict[str, str]:
    """Return variables that make the connections: one of the cluster, which names the namespace, and one with a secret.

    Args:
        namespace: Where.
        url: Of a proxy that stands between; empty for the API server's own.
        token: Of Airflow's account; empty for a new one.
        token_file: A file that has it instead.
    """
    document = json.loads(namespace.kubeconfig().read_text(encoding="utf-8"))
    document["clusters"][0]["cluster"]["server"] = url or namespace.kube.url
    if token_file is not None:
        document["users"][0]["user"] = {"tokenFile": str(token_file)}
    elif token:
        document["users"][0]["user"] = {"token": token}
    cluster = {"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(document), "namespace": namespace.name}}
    return {CONNECTION: json.dumps(cluster), STORE: json.dumps({"conn_type": "generic", "password": SECRET})}


def connect(namespace: Namespace, patch: pytest.MonkeyPatch, url: str = "", **more: Any) -> None:
    """Make the connections in this process; see :func:`environment`."""
    for name, value in environment(namespace, url, **more).items():
        patch.setenv(name, value)


def hurry(patch: pytest.MonkeyPatch) -> Clock:
    """Let every run of this process wait a quarter of the time, and trust that a lost request comes true within seconds, or never.

    Returns:
        The clock that all of them go by from now on.
    """
    from airflow_dataops.clients import drive as any_drive
    from airflow_dataops.clients.spark_k8s import drive
    from airflow_dataops.core.spark_k8s import making, turn

    clock = Clock()
    patch.setattr(any_drive, "utcnow", clock)

    for module in (making, turn):
        patch.setattr(module, "SETTLE", timedelta(seconds=3))
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await real(seconds / 4)

    patch.setattr(drive, "perform", partial(drive.perform, clock=clock, sleep=sleep))
    return clock


def arguments(
    namespace: Namespace,
    program: str,
    *args: str,
    deferrable: bool = True,
    app: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the operator's arguments for a program in ``/opt/app`` of the image.

    Args:
        namespace: Where.
        program: Name of the file.
        args: Its arguments.
        deferrable: Wait in the trigger.
        app: Fields of the program, instead of the usual ones.
        policy: Fields of the policy, instead of the usual ones.
    """
    usual = {
        "main": f"local:///opt/app/{program}",
        "args": list(args),
        "image": "stand-in/spark:3.5",
        "driver": {"cores": "100m"},
        "secret_env": {"STORE_PASSWORD": "conn:store.password"},
    }
    return {
        "app": {**usual, **(app or {})},
        "target": {"service_account": DRIVER, "api_server": namespace.kube.url},
        "policy": {"poll": "1s", "backoff": "1s", **(policy or {})},
        "kubernetes_conn_id": "cluster",
        "instance": "tests",
        "deferrable": deferrable,
        "retries": 3,
    }


def task_of(
    namespace: Namespace, program: str, *args: str, number: int = 1, deferrable: bool = True, **more: Any
) -> Shell:
    """Return a task that runs a program.

    Args:
        namespace: Where.
        program: Name of the file.
        args: Its arguments.
        number: Number of the task's try.
        deferrable: Wait in the trigger.
        more: See :func:`arguments`.
    """
    return shell(arguments(namespace, program, *args, deferrable=deferrable, **more), number)


def shell(given: dict[str, Any], number: int = 1) -> Shell:
    """Return a try of the task with these arguments, without a database; all tries are of one run."""
    operator = SparkKubernetesSubmitOperator(task_id="sum", **given)
    made = Shell(operator, Ti("sum"))
    made.ti.try_number, made.ti.max_tries = number, 3
    return made
