# SPDX-License-Identifier: Apache-2.0
"""Where an API server is and as whom it is asked, and what becomes of that: an address, a TLS context, headers."""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import DataOpsError, MissingDependency

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FRESH_SECONDS = 60.0  # the cluster renews tokens in files long before they end
KUBECONFIG_SECONDS = (
    300.0  # a kubeconfig may run a program for its token, and such tokens live for a quarter of an hour or more
)
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


class KubeConfigError(DataOpsError):
    """The settings name no API server that can be asked: a file is missing or is no kubeconfig, or its program gives no token."""

    default_code = "KUBECONFIG_INVALID"


@dataclass(frozen=True)
class KubeSettings:
    """Where Kubernetes is, and as whom it is asked. The first that is given counts: ``host``, ``kubeconfig``, ``document``, in-cluster.

    With none of the three, it is the cluster that this process runs in, or else the kubeconfig of ``KUBECONFIG`` or ``~/.kube/config``.

    Attributes:
        namespace: Namespace of what is created and looked at.
        host: ``https://host:port`` of the API server.
        token: Returns a bearer token, beside the event loop; asked again every minute, and after a 401. Goes with ``host``.
        ca_file: PEM file with the authority of ``host``; None for those of the system.
        verify: False takes any certificate of ``host``.
        kubeconfig: Path of a kubeconfig.
        document: A kubeconfig as JSON, as Airflow's connection has it.
        context: Context of the kubeconfig; None for its current one.
        proxy: Address of an HTTP proxy; None for the kubeconfig's, or what ``HTTPS_PROXY`` says.
    """

    namespace: str = "default"
    host: str | None = None
    token: Callable[[], str] | None = field(default=None, repr=False)
    ca_file: str | None = None
    verify: bool = True
    kubeconfig: str | None = None
    document: str | None = field(default=None, repr=False)
    context: str | None = None
    proxy: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """An API server that can be asked.

    Attributes:
        host: ``https://host:port``, without a slash at its end.
        headers: Headers that say who asks.
        tls: TLS context; None for plain HTTP.
        server_name: Name in the certificate where it is not the address's; None where it is.
        proxy: Address of an HTTP proxy.
    """

    host: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    proxy: str | None = None


class Access:
    """Turns settings into an endpoint, anew every few minutes and when the API server did not take the last one. It blocks."""

    def __init__(self, settings: KubeSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None
        self._until = -math.inf
        self._tls: tuple[tuple[Any, ...], ssl.SSLContext] | None = None
        self._seconds = FRESH_SECONDS

    @property
    def ready(self) -> Endpoint | None:
        """The endpoint, where it is fresh; else None, and :meth:`load` has to be called."""
        return self._endpoint if time.monotonic() < self._until else None

    def expire(self) -> None:
        """Load anew before the next request: the API server did not know whom it talked to."""
        self._until = -math.inf

    def load(self) -> Endpoint:
        """Return a fresh endpoint.

        Raises:
            KubeConfigError: The settings do not lead to one.
            MissingDependency: They need ``kubernetes_asyncio``, which is not installed.
        """
        with self._lock:
            found = self.ready
            if found is None:
                found = self._load()
                self._endpoint, self._until = found, time.monotonic() + self._seconds
            return found

    def _load(self) -> Endpoint:
        settings = self._settings
        if settings.host:
            given = settings.token
            headers = _bearer(_token(given)) if given is not None else {}
            tls = self._context(settings.ca_file, None, None, settings.verify) if settings.host[:5] == "https" else None
            return Endpoint(settings.host.rstrip("/"), headers, tls, proxy=settings.proxy)
        if not (settings.kubeconfig or settings.document) and (in_cluster := self._in_cluster()) is not None:
            return replace(in_cluster, proxy=settings.proxy)
        _look_for_kubeconfig(settings)
        self._seconds = KUBECONFIG_SECONDS
        return self._from_kubeconfig(asyncio.run(_read_kubeconfig(settings)))

    def _in_cluster(self) -> Endpoint | None:
        host, port = os.environ.get(_HOST), os.environ.get(_PORT, "443")
        token, authority = ACCOUNT / "token", ACCOUNT / "ca.crt"
        if not host or not token.is_file():
            return None
        host = f"[{host}]" if ":" in host else host
        headers = _bearer(token.read_text(encoding="ascii").strip())
        return Endpoint(f"https://{host}:{port}", headers, self._context(str(authority), None, None, verify=True))

    def _from_kubeconfig(self, found: Any) -> Endpoint:
        key = found.api_key.get("BearerToken", "")
        headers = {"Authorization": key} if key else {}
        tls = None
        if found.host.startswith("https"):
            if not (key or found.cert_file):
                # Before 34, the library only logs that the user's command gave nothing.
                raise KubeConfigError(
                    f"the kubeconfig gives neither a token nor a certificate for {found.host}",
                    hint="check its user: kubectl config view --minify; where that runs a command, run it by hand",
                )
            tls = self._context(found.ssl_ca_cert, found.cert_file, found.key_file, bool(found.verify_ssl))
        name = getattr(found, "tls_server_name", None)
        return Endpoint(found.host.rstrip("/"), headers, tls, name, self._settings.proxy or found.proxy)

    def _context(self, authority: str | None, certificate: str | None, key: str | None, verify: bool) -> ssl.SSLContext:
        """Return the context of these files, the same one as long as they say the same: connections live in it."""
        said = (verify, *(_content(path) for path in (authority, certificate, key)))
        if self._tls is not None and self._tls[0] == said:
            return self._tls[1]
        try:
            context = ssl.create_default_context(cafile=authority)
            if certificate:
                context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise KubeConfigError(
                f"the certificates cannot be read: {error}", hint="check ca_file and the kubeconfig"
            ) from error
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._tls = said, context
        return context


def _look_for_kubeconfig(settings: KubeSettings) -> None:
    """Raise where there is none: the library takes seconds to load, and then says that a key is missing in the file."""
    places = (settings.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)
    if settings.document or any(Path(place).expanduser().is_file() for place in places if place):
        return
    raise KubeConfigError(
        f"there is no kubeconfig {' or '.join(places)}, and this process is in no cluster",
        hint="give the connection one (kube_config, kube_config_path), or set KUBECONFIG",
    )


async def _read_kubeconfig(settings: KubeSettings) -> Any:
    try:
        found = importlib.import_module("kubernetes_asyncio.client").Configuration()
        config = importlib.import_module("kubernetes_asyncio.config")
    except ModuleNotFoundError as error:
        hint = 'pip install "airflow-dataops[kubernetes]"'
        raise MissingDependency(f"{error.name}, which reads kubeconfigs, is not installed", hint=hint) from error
    try:
        if settings.document:
            document = json.loads(settings.document)
            await config.load_kube_config_from_dict(document, context=settings.context, client_configuration=found)
        else:
            # It would write renewed tokens back into the file otherwise, beside whoever else does.
            options = {"context": settings.context, "client_configuration": found, "persist_config": False}
            await config.load_kube_config(config_file=settings.kubeconfig, **options)
    except Exception as error:
        where = "of the connection" if settings.document else settings.kubeconfig or "~/.kube/config"
        raise KubeConfigError(
            f"the kubeconfig {where} does not lead to an API server: {type(error).__name__}: {error}",
            hint=f"try: kubectl --kubeconfig {settings.kubeconfig} get pods" if settings.kubeconfig else None,
        ) from error
    return found


def _token(given: Callable[[], str]) -> str:
    try:
        return given()
    except Exception as error:
        raise KubeConfigError(f"there is no token: {type(error).__name__}: {error}") from error


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _content(path: str | None) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError:
        return None


__all__ = ["KubeConfigError", "KubeSettings"]
