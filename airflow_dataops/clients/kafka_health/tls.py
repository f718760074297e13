# SPDX-License-Identifier: Apache-2.0
"""Whom to trust and as whom, as Python's ``ssl`` takes it. Loaded in a probe's process only."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from airflow_dataops.core.kafka_health.plain_settings import Tls


def context_of(tls: Tls, kind: type[ssl.SSLSocket] = ssl.SSLSocket) -> ssl.SSLContext:
    """Return what connections are secured with.

    Args:
        tls: What the settings say.
        kind: Of the sockets.

    Raises:
        OSError: A file cannot be read.
        ssl.SSLError: A certificate or key is none, or they do not go together; also a ``ValueError``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = kind
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = tls.check_name
    context.verify_mode = ssl.CERT_REQUIRED if tls.check else ssl.CERT_NONE
    if tls.ca_file or tls.ca_pem:
        context.load_verify_locations(cafile=tls.ca_file or None, cadata=tls.ca_pem or None)
    else:
        context.load_default_certs()
    if tls.certificate_file or tls.certificate_pem:
        _load_own(context, tls)
    if tls.ciphers:
        context.set_ciphers(tls.ciphers)
    return context


def _load_own(context: ssl.SSLContext, tls: Tls) -> None:
    """Load the own certificate; as ``ssl`` reads it from files only, a text becomes one that is gone at once, and nobody else's to read."""
    password = tls.key_password or ""  # a text, lest it asks at a terminal
    pem = "\n".join(part for part in (tls.certificate_pem, tls.key_pem) if part)
    if not pem:
        context.load_cert_chain(tls.certificate_file, tls.key_file or None, password)
        return
    if not tls.certificate_pem:
        pem = f"{Path(tls.certificate_file).read_text(encoding='ascii')}\n{pem}"
    elif not tls.key_pem and tls.key_file:
        pem = f"{pem}\n{Path(tls.key_file).read_text(encoding='ascii')}"
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(pem)
        context.load_cert_chain(name, password=password)
    finally:
        os.unlink(name)
