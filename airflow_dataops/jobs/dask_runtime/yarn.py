# SPDX-License-Identifier: Apache-2.0
"""A scheduler in the driver, and workers in YARN containers: a fixed number, or as many as there is work for."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from distributed import Client

from airflow_dataops.core.dataproc_dask.document import JobDocument
from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.dataproc_dask.spec import Adapt
from airflow_dataops.core.errors import DataOpsError, MissingDependency, TransientError
from airflow_dataops.jobs.dask_runtime import yarn_compat
from airflow_dataops.jobs.dask_runtime.base import Session
from airflow_dataops.jobs.dask_runtime.yarn_size import Container, container_size

log = logging.getLogger("airflow_dataops.jobs.dask")

HOST = "DATAOPS_DASK_HOST"
_LIVES = frozenset({"NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING"})


def start(document: JobDocument, scratch: Path) -> Session:  # noqa: ARG001 - the interface of a runtime
    """Start a YARN application with the workers that the job asks for.

    Raises:
        MissingDependency: dask-yarn is not in the environment.
        TransientError: YARN has no running node (``RUNTIME_FAILED``).
    """
    try:
        dask_yarn = yarn_compat.load()
        skein = import_module("skein")
    except ImportError as error:
        hint = "add airflow-dataops[yarn] to the environment's requirements, and build it anew with `dataops package`"
        raise MissingDependency(f"the yarn runtime needs dask-yarn and skein: {error}", hint=hint) from error
    yarn = skein.Client()  # starts a JVM of its own
    tag = f"dataops-{os.getpid()}-{os.urandom(4).hex()}"
    # YarnCluster() returns when the application runs, and waits for ever where YARN has no room for it.
    gave_up = threading.Event()

    def give_up() -> None:
        gave_up.set()
        _kill(yarn, tag)

    late = threading.Timer(document.wait_for_workers, give_up)
    try:
        late.start()
        cluster = _cluster(dask_yarn, yarn, document, tag)
        client = Client(cluster, name=f"dataops-{document.name}")  # type: ignore[no-untyped-call]
    except BaseException as error:
        _kill(yarn, tag)  # told to stop while YARN still looked for room: the application would go on waiting
        yarn.close()
        if gave_up.is_set() and isinstance(error, Exception):
            raise _no_room(document) from error
        raise
    finally:
        late.cancel()
    closers = [client.close, cluster.close, lambda: _kill(yarn, tag), yarn.close]
    return Session(client, "yarn", closers, lambda: _why_ended(yarn, cluster.app_id))


def _cluster(dask_yarn: Any, yarn: Any, document: JobDocument, tag: str) -> Any:
    nodes = [(node.total_resources.memory, node.total_resources.vcores) for node in yarn.get_nodes(["RUNNING"])]
    if not nodes:
        raise TransientError("YARN has no running node", code=Code.RUNTIME_FAILED)
    size = container_size(nodes, threads=document.worker_threads, memory=document.worker_memory)
    wanted = document.workers
    count = wanted.minimum if isinstance(wanted, Adapt) else wanted or len(nodes)
    log.info("%d YARN nodes; a worker gets %d threads and %d MiB", len(nodes), size.vcores, size.memory_mib)
    cluster = dask_yarn.YarnCluster(
        name=f"dataops-{document.name}",
        tags=[tag],
        environment=f"python://{sys.executable}",
        deploy_mode="local",
        n_workers=count,
        skein_client=yarn,
        **_options(size),
    )
    if isinstance(wanted, Adapt):
        cluster.adapt(minimum=wanted.minimum, maximum=wanted.maximum)
    return cluster


def _options(size: Container) -> dict[str, Any]:
    options: dict[str, Any] = {"worker_vcores": size.vcores, "worker_memory": f"{size.memory_mib} MiB"}
    host = os.environ.get(HOST)
    if host:
        where = {"host": host, "dashboard_address": f"{host}:0"}
        return options | {**where, "worker_options": where}
    # Where the Component Gateway looks for it; a second job at the same time gets a port of its own.
    return options | {"dashboard_address": ":8787"}


def _why_ended(yarn: Any, application: str) -> DataOpsError | None:
    try:
        report = yarn.application_report(application)
    except Exception as error:  # noqa: BLE001 - no answer is no news
        log.warning("YARN does not say how application %s is: %s", application, error)
        return None
    if str(report.state) in _LIVES:
        return None
    return TransientError(
        f"YARN application {application} is {report.state}, and its workers with it: {report.diagnostics or 'it does not say why'}",
        hint=f"yarn logs -applicationId {application}",
        code=Code.NO_WORKERS,
    )


def _no_room(document: JobDocument) -> TransientError:
    return TransientError(
        f"YARN had no room for the application within {document.wait_for_workers:g} s",
        hint="another application holds the queue, or the machines are too small: `yarn application -list`, `yarn node -list -all`",
        code=Code.NO_WORKERS,
    )


def _kill(yarn: Any, tag: str) -> None:
    with suppress(Exception):
        for application in yarn.get_applications():
            if tag not in application.tags:
                continue
            log.warning("YARN application %s is still %s; it is killed", application.id, application.state)
            yarn.kill_application(application.id)


__all__ = ["HOST", "start"]
