# SPDX-License-Identifier: Apache-2.0
"""What looks like a secret where none may stand: the names and texts that end up in pod specs, ConfigMaps, command lines and logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

# Whole words of a name. "credentials" is none of them: S3A's provider classes are set by that.
_SECRET_WORDS = frozenset({"secret", "password", "passwd", "passphrase", "pwd", "token", "apikey"})
_SECRET_PAIRS = frozenset(
    {("access", "key"), ("account", "key"), ("api", "key"), ("private", "key"), ("sas", "key"), ("encryption", "key")}
)
# A name that ends so says where a secret is or what is done with it, and is none itself.
_NOT_ITSELF = frozenset(
    {
        "class",
        "count",
        "dir",
        "enabled",
        "expiry",
        "file",
        "interval",
        "lifetime",
        "name",
        "path",
        "policy",
        "provider",
        "renewal",
        "size",
        "timeout",
        "ttl",
        "type",
        "url",
    }
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_IN_TEXT = (
    re.compile(
        r"(?i)[\w.-]*(?:password|passwd|passphrase|secret[._-]?key|access[._-]?key|secret|token)\s*=\s*[^\s&;,]"
    ),
    re.compile(r"://[^/\s:@]*:[^/\s@]+@"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\."),
)


def is_secret_name(name: str) -> bool:
    """Tell whether a property or variable of this name would hold a secret: ``spark.hadoop.fs.s3a.secret.key``, ``PGPASSWORD``.

    A name that says where a secret is (``….token.file``, ``SECRET_NAME``) is none.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _NOT_ITSELF:
        return False
    pairs = set(pairwise(words))
    ends = any(word.endswith(("password", "secret", "token")) for word in words)
    # What only begins with that word is a setting: Hadoop has credential.provider.path and credential.clear-text-fallback.
    ends = ends or words[-1] == "credential"
    return ends or bool(_SECRET_WORDS.intersection(words)) or bool(_SECRET_PAIRS & pairs)


def holds_secret(text: str) -> bool:
    """Tell whether a text shows a secret: a password in an address or an assignment, a key of AWS's, a private key, a signed token."""
    return any(pattern.search(text) for pattern in _IN_TEXT)


def unfit_properties(properties: Mapping[str, str]) -> list[str]:
    """Return the names of properties of OpenLineage's transport that may hold a secret; a header may always."""
    return [
        name
        for name, value in properties.items()
        if ".headers." in name or is_secret_name(name) or holds_secret(value) or "@" in value.partition("://")[2]
    ]


def is_secret_flag(text: str, following: str | None) -> bool:
    """Tell whether an argument passes a secret on: ``--password=x``, or ``--password`` with something behind it."""
    found = re.fullmatch(r"--?([A-Za-z][\w.-]*)(?:=(.*))?", text, re.DOTALL)
    if found is None or not is_secret_name(found[1]):
        return False
    return bool(found[2]) if found[2] is not None else following is not None and not following.startswith("-")
