# SPDX-License-Identifier: Apache-2.0
"""An authority of our own, and a certificate for loopback; made anew, nothing is kept in the repository."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY, KEY, CHAIN = "ca.pem", "server.key", "server.pem"


def ensure(folder: Path) -> tuple[bytes, bytes]:
    """Return key and certificate of the server; they are made, with ``ca.pem`` beside them, where the folder has none."""
    if not (folder / CHAIN).exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make(folder)
    return (folder / KEY).read_bytes(), (folder / CHAIN).read_bytes()


def _make(folder: Path) -> None:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name("Fake Dataproc test authority")
    root = (
        _begin(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    own = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        _begin(_name("localhost"), authority, key)
        .add_extension(x509.SubjectAlternativeName(own), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / AUTHORITY).write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (folder / KEY).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    (folder / CHAIN).write_bytes(leaf.public_bytes(serialization.Encoding.PEM))


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
