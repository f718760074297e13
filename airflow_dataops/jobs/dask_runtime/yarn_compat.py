# SPDX-License-Identifier: Apache-2.0
"""Lets dask-yarn 0.9 (2021) run on today's distributed, in the driver and, as ``python -m …yarn_compat``, in YARN's containers.

Each change looks at what is there first, so that a version that needs none of it gets none. docs/adr/0042 says why it is kept at all.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import math
import sys
from typing import Any

_READY = "_dataops_ready"
_CONTAINER = f"-m {__name__ if __name__ != '__main__' else 'airflow_dataops.jobs.dask_runtime.yarn_compat'}"


def load() -> Any:
    """Return the module ``dask_yarn``, usable with the distributed that is installed.

    Raises:
        ImportError: dask-yarn or skein is not installed.
    """
    _give_distutils()
    _give_names()
    module = importlib.import_module("dask_yarn")
    core = importlib.import_module("dask_yarn.core")
    if not hasattr(core, _READY):
        _mend_cluster(core.YarnCluster)
        _mend_scheduler(core)
        _mend_connection(core)
        _mend_adaptive(core)
        _mend_containers(core)
        setattr(core, _READY, True)
    return module


def _give_distutils() -> None:
    """Skein imports distutils, which Python 3.12 has dropped and setuptools brings back when it is imported first."""
    if sys.version_info >= (3, 12):
        importlib.import_module("setuptools")


def _give_names() -> None:
    """Names that dask_yarn imports from distributed, which has dropped them (after 2023.9, and between 2026.3 and 2026.6)."""
    old, new = importlib.import_module("distributed.utils"), importlib.import_module("dask.utils")
    for name in ("format_bytes", "parse_timedelta"):
        if name not in vars(old):
            setattr(old, name, getattr(new, name))
    commands = importlib.import_module("distributed.cli.utils")
    if not hasattr(commands, "install_signal_handlers"):
        commands.install_signal_handlers = lambda *_args, **_options: None  # type: ignore[attr-defined]


def _mend_cluster(cluster: Any) -> None:
    status = importlib.import_module("distributed.core").Status
    if not hasattr(cluster, "status"):  # read by Client(cluster) since 2022.3
        cluster.status = property(lambda self: status.closed if self._stop_task is not None else status.running)

    shutdown = cluster.shutdown

    def shutdown_once(self: Any, *args: Any, **options: Any) -> Any:
        """Do nothing when ``__del__`` comes after ``close``: its loop is gone by then."""
        done = self._stop_task is not None and self._stop_task.done()
        return None if done else shutdown(self, *args, **options)

    cluster.shutdown = shutdown_once
    scale = cluster._scale

    async def scale_to(self: Any, count: int) -> Any:
        """Forget workers that died: they stayed in ``_requested``, and too few were started (a fault of dask-yarn's own)."""
        self._requested = {container.id for container in await self._workers()}
        return await scale(self, count)

    cluster._scale = scale_to


def _mend_scheduler(core: Any) -> None:
    server = importlib.import_module("distributed.core").Server
    if "loop" in inspect.signature(server.__init__).parameters:
        return
    base = core.Scheduler

    class Scheduler(base):  # type: ignore[misc, valid-type]
        """Takes and drops the ``loop`` that distributed does not want any more."""

        def __init__(self, loop: Any = None, **options: Any) -> None:  # noqa: ARG002 - dropped on purpose
            super().__init__(**options)

    core.Scheduler = Scheduler


def _mend_connection(core: Any) -> None:
    """``close_rpc`` has become a coroutine, and dask-yarn does not wait for it."""
    base = core.rpc
    if not inspect.iscoroutinefunction(base.close_rpc):
        return

    class Rpc(base):  # type: ignore[misc, valid-type]
        """Closes in the background, and can be waited for."""

        def close_rpc(self) -> Any:
            return asyncio.ensure_future(super().close_rpc())

    core.rpc = Rpc


def _mend_adaptive(core: Any) -> None:
    """AdaptiveCore has had no timer of its own since 2024.11: give one to dask-yarn's subclass."""
    base = importlib.import_module("distributed.deploy.adaptive_core").AdaptiveCore
    if "interval" in inspect.signature(base.__init__).parameters:
        return
    timer = importlib.import_module("tornado.ioloop").PeriodicCallback

    def __init__(
        self: Any,
        cluster: Any = None,
        interval: str = "1s",
        minimum: int = 0,
        maximum: float = math.inf,
        wait_count: int = 3,
        target_duration: str = "5s",
        **options: Any,
    ) -> None:
        self.cluster, self.target_duration = cluster, core.parse_timedelta(target_duration)
        self._workers_to_close_kwargs = options
        base.__init__(self, minimum=minimum, maximum=maximum, wait_count=wait_count)
        self._timer = timer(self.adapt, core.parse_timedelta(interval) * 1000)
        cluster.loop.add_callback(self._timer.start)

    core.Adaptive.__init__ = __init__
    core.Adaptive.stop = lambda self: self.cluster.loop.add_callback(self._timer.stop)


def _mend_containers(core: Any) -> None:
    """Containers start dask_yarn's command line: through this module, so that it finds the same names there."""
    make = core._make_specification

    def make_specification(**options: Any) -> Any:
        spec = make(**options)
        for service in spec.services.values():
            service.script = service.script.replace("-m dask_yarn.cli", _CONTAINER)
        return spec

    core._make_specification = make_specification


def main() -> None:
    """Run dask-yarn's command line in a container."""
    load()
    importlib.import_module("dask_yarn.cli").main()


if __name__ == "__main__":
    main()

__all__ = ["load", "main"]
