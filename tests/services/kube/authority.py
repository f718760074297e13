# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of the tests' own."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Pair = tuple[Path, Path]


class Authority:
    """Signs certificates of servers and users; all files lie in one folder, with their keys.

    Attributes:
        file: The authority's own certificate.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        own = self._sign(self._name, self._key.public_key(), None, ())
        self.file = self._write("ca.crt", own.public_bytes(serialization.Encoding.PEM))

    def server(
        self, name: str, common_name: str, *, group: str = "", ips: Iterable[str] = (), hosts: Iterable[str] = ()
    ) -> Pair:
        """Return the files (certificate, key) of a new server."""
        names = [*(x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips), *map(x509.DNSName, hosts)]
        return self._issue(name, common_name, group, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def user(self, name: str, common_name: str, *, group: str = "") -> Pair:
        """Return the files (certificate, key) of a new user; Kubernetes takes the organisation for a group."""
        return self._issue(name, common_name, group, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def signing_keys(self, name: str) -> Pair:
        """Return the files (public key, private key) of a new pair without a certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return self._write(f"{name}.pub", public), self._write(f"{name}.key", _pem(key))

    def _issue(
        self, name: str, common_name: str, group: str, usage: x509.ObjectIdentifier, names: Iterable[x509.GeneralName]
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if group:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        certificate = self._sign(x509.Name(parts), key.public_key(), usage, names)
        return (
            self._write(f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{name}.key", _pem(key)),
        )

    def _sign(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        usage: x509.ObjectIdentifier | None,
        names: Iterable[x509.GeneralName],
    ) -> x509.Certificate:
        now, of_authority, listed = datetime.now(UTC), usage is None, list(names)
        builder = (
            x509.CertificateBuilder(self._name, subject, public, x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(of_authority, None), critical=True)
            # From Python 3.13 on the check is strict: usage and identifiers of the key have to be there.
            .add_extension(_key_usage(of_authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if listed:
            builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, data: bytes) -> Path:
        path = self._folder / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        return path


def _key_usage(of_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not of_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=of_authority,
        crl_sign=of_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
