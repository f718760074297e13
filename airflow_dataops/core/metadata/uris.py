# SPDX-License-Identifier: Apache-2.0
"""The one form of an object's URI.

The key of an object in a bucket, or the path of a file, is a name made of bytes: nothing in it is decoded, folded or shortened, since
another spelling is another object. Only what is before it has more than one spelling. An address on the web has a normal form by RFC 3986.
"""

from __future__ import annotations

import re

from airflow_dataops.core.secrets import names_a_secret

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::(?P<port>\d{1,5}))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PORTS = {"http": "80", "https": "443"}
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
_SIGNED = frozenset(
    {"x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "signature", "sig", "awsaccesskeyid"}
)  # fmt: skip
_FORM = "a URI of an object, such as s3://bucket/key, gs://bucket/key, https://host/path or file:///path"


class BadUri(ValueError):
    """The text is no URI of an object; the message says what is valid.

    Attributes:
        secret: True where the text holds what nobody should read.
    """

    def __init__(self, valid: str, *, secret: bool = False) -> None:
        super().__init__(valid)
        self.secret = secret


def normal(text: str) -> str:
    """Return the normal form of a URI; that of a normal form is itself.

    The scheme is in small letters, ``s3a`` and ``s3n`` are ``s3``, ``gcs`` is ``gs``. On the web the host is in small letters, the port of
    the scheme is left out, escapes are in capitals and only where one is needed, and an empty path is ``/``.

    Raises:
        BadUri: It is no such URI; it has a fragment, a password, or a signature that opens the object to whoever reads it.
    """
    found = _PARTS.fullmatch(text)
    if found is None or _CONTROL.search(text):
        raise BadUri(_FORM)
    scheme, authority, path, query, fragment = found.groups()
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if "@" in authority and scheme not in ("abfs", "abfss", "wasb", "wasbs"):  # there the container stands before it
        raise BadUri("a URI without user and password", secret=True)
    if any(_is_secret(part.partition("=")[0]) for part in (query or "").lstrip("?").split("&")):
        raise BadUri("the URI of the object itself, without a signature or token", secret=True)
    if scheme not in _PORTS:
        if not (authority or scheme in ("file", "hdfs")) or len(path) < 2:
            raise BadUri(_FORM)
        return f"{scheme}://{authority}{path}{query or ''}{fragment or ''}"
    if fragment is not None or _NO_ESCAPE.search(text):
        raise BadUri("a URI without a fragment (#…), with two hex digits behind each %")
    return f"{scheme}://{_host(scheme, authority)}{_escaped(path) or '/'}{_escaped(query or '')}"


def _host(scheme: str, authority: str) -> str:
    found = _HOST.fullmatch(authority)
    if found is None:
        raise BadUri(_FORM)
    port = (found["port"] or "").lstrip("0")
    return found["host"].lower() + (f":{port}" if port and port != _PORTS[scheme] else "")


def _escaped(text: str) -> str:
    """Return a path or query in which spaces and all that is not ASCII are escaped, and nothing that needs no escape."""
    ascii_only = "".join(char if char.isascii() and char != " " else _bytes(char) for char in text)

    def fold(found: re.Match[str]) -> str:
        char = chr(int(found[1], 16))
        return char if char in _UNRESERVED else f"%{found[1].upper()}"

    return _ESCAPE.sub(fold, ascii_only)


def _bytes(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def _is_secret(name: str) -> bool:
    return name.lower() in _SIGNED or names_a_secret(name)


__all__ = ["BadUri", "normal"]
