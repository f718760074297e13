# SPDX-License-Identifier: Apache-2.0
"""The process: listens, and at SIGTERM takes no more, finishes what it has, flushes, and ends."""

from __future__ import annotations

import ipaddress
import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from airflow_dataops.core.errors import MissingDependency, SpecError
from airflow_dataops.services.metadata_api.logs import log_as_json
from airflow_dataops.services.metadata_api.tls import Tls, uvicorn_options
from airflow_dataops.services.probes import probes

if TYPE_CHECKING:
    from airflow_dataops.services.metadata_api.app import Service

_LOG = logging.getLogger(__name__)


def check_exposure(host: str, *, tokens: bool, tls: Tls | None) -> None:
    """Refuse to listen where others come, and let everybody in.

    Raises:
        SpecError: Neither tokens nor client certificates are asked for beyond the loopback (``OPEN_TO_ALL``).
    """
    if tokens or (tls is not None and tls.client_ca is not None) or _is_loopback(host):
        return
    hint = "--token-file FILE, or --client-ca FILE with --tls-cert and --tls-key, or --host 127.0.0.1"
    raise SpecError(
        f"{host} is not this machine alone, and anybody could post events there", hint=hint, code="OPEN_TO_ALL"
    )


def serve(
    service: Service, *, host: str, port: int, tls: Tls | None = None, listen: tuple[str, int] | None = None, level: str = "INFO",
) -> bool:  # fmt: skip
    """Serve until SIGTERM or SIGINT; returns False where it could not start.

    Args:
        service: What is served; its publisher is closed at the end.
        host: Address to listen on.
        port: Its port; 0: any that is free, which the log tells.
        tls: Files; None: plain HTTP.
        listen: Address and port at which probes and metrics are served too, in plain HTTP and to everybody; None: nowhere.
        level: Of the log.

    Raises:
        MissingDependency: uvicorn is not installed.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingDependency(f"{error}", hint='pip install "airflow-dataops[metadata]"') from error
    from airflow_dataops.services.metadata_api.app import create_app

    log_as_json(level)
    logging.getLogger("uvicorn").setLevel("WARNING")
    limits = service.settings.limits
    grace = limits.publish_seconds + limits.read_seconds + 10
    config = uvicorn.Config(
        create_app(service), host=host, port=port, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=int(grace), timeout_keep_alive=30, **uvicorn_options(tls),
    )  # fmt: skip
    server = _server(uvicorn, config, service)
    with ExitStack() as stack:
        if listen is not None:
            probed = stack.enter_context(probes(service, *listen))
            _LOG.info("probes", extra={"host": listen[0], "port": probed})
        server.run()
    return bool(server.started)


def _server(uvicorn: Any, config: Any, service: Service) -> Any:
    class Server(uvicorn.Server):  # type: ignore[misc]  # imported late
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                ports = [one.getsockname()[1] for server in self.servers for one in server.sockets]
                _LOG.info("listening", extra={"host": config.host, "port": ports[0], "topic": service.settings.topic})

        def handle_exit(self, sig: int, frame: Any) -> None:
            service.health.stopping = True
            super().handle_exit(sig, frame)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Take signals, and do not raise them again at the end: a stop that was asked for is no failure."""
            before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for one, handler in before.items():
                    signal.signal(one, handler)

    return Server(config)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


__all__ = ["check_exposure", "serve"]
