# SPDX-License-Identifier: Apache-2.0
"""TLS: files of a server, and the name in a client's certificate for whoever serves its requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import SpecError


@dataclass(frozen=True)
class Tls:
    """Files of a server.

    Attributes:
        cert: Its certificate, and those between it and the authority.
        key: Its key.
        client_ca: Authority that signs the certificates of clients; None: none is asked for.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


def tls_of(cert: Path | None, key: Path | None, client_ca: Path | None) -> Tls | None:
    """Return the files, None where there are none.

    Raises:
        SpecError: One is missing, or goes with no other (``TLS``).
    """
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        hint = "--tls-cert FILE --tls-key FILE, and --client-ca FILE beside them"
        raise SpecError("TLS needs a certificate and its key", hint=hint, code="TLS")
    for path in (cert, key, client_ca):
        if path is not None and not path.is_file():
            raise SpecError(f"{path} is no file", code="TLS")
    return Tls(cert, key, client_ca)


def uvicorn_options(tls: Tls | None) -> dict[str, Any]:
    """Return what uvicorn is told of them."""
    if tls is None:
        return {}
    import ssl

    found: dict[str, Any] = {"ssl_certfile": str(tls.cert), "ssl_keyfile": str(tls.key), "http": _with_peer()}
    if tls.client_ca is not None:
        found |= {"ssl_ca_certs": str(tls.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return found


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the common name in a certificate as :meth:`ssl.SSLSocket.getpeercert` gives it; None for no certificate.

    One that names none, or several, is the empty name: it is a certificate, and nobody in particular.
    """
    if not certificate:
        return None
    pairs = (pair for part in certificate.get("subject", ()) for pair in part)
    names = [value for name, value in pairs if name == "commonName"]
    return str(names[0]) if len(names) == 1 else ""


@cache
def _with_peer() -> type:
    """Return uvicorn's protocol with the client's name in the state of each request: ``peer``."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class WithPeer(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # it is one of two classes
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            tls = transport.get_extra_info("ssl_object")
            peer = common_name(tls.getpeercert() if tls is not None else None)
            self.app_state = {**self.app_state, "peer": peer}  # type: ignore[has-type]

    return WithPeer


__all__ = ["Tls", "common_name", "tls_of", "uvicorn_options"]
