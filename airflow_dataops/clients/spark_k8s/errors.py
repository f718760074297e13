# SPDX-License-Identifier: Apache-2.0
"""Each error of a request as a name that the core knows."""

from __future__ import annotations

import json
import ssl

from airflow_dataops.clients.google import clean
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s.answers import LOST, call_error

UNTRUSTED = "UNTRUSTED"  # the certificate is not of an authority that we know; no repetition helps
_UNREACHED = 503
_TIME_OVER = 504
_LONGEST_PAGE = 300


def http_error(status: int, body: bytes) -> CallError:
    """Return an answer that is an error; of an API server's ``Status`` its message, of a proxy's page the beginning."""
    return call_error(status, clean(_message(status, body)))


def transport_error(error: BaseException) -> CallError:
    """Return what kept a request from its answer.

    It surely was not sent where that is ``UNAVAILABLE``; where it is ``TIMEOUT`` or ``LOST``, it may have been carried out.

    Args:
        error: What aiohttp raised.
    """
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return CallError(UNTRUSTED, _text(error))
    # Before the time-outs: one of the connection attempt is both.
    unreached = aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError
    if isinstance(error, unreached | aiohttp.InvalidURL):
        return call_error(_UNREACHED, f"the API server cannot be reached: {_text(error)}")
    if isinstance(error, TimeoutError):
        return call_error(_TIME_OVER, "no answer in time")
    return CallError(LOST, _text(error))


def unreadable(error: Exception) -> CallError:
    """Return an answer that is no document of Kubernetes', such as a proxy's page: what became of the request is not known."""
    return CallError(LOST, f"the answer is not what an API server says: {_text(error)}")


def _message(status: int, body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return str(found.get("message") or found.get("reason") or f"HTTP {status}")
    page = " ".join(body[:_LONGEST_PAGE].decode("utf-8", errors="replace").split())
    return f"HTTP {status}: {page}" if page else f"HTTP {status}"


def _text(error: BaseException) -> str:
    return clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
