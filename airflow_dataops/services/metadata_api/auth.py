# SPDX-License-Identifier: Apache-2.0
"""Who may post: bearer tokens, several at a time so that they can be changed, and names of client certificates."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from airflow_dataops.core.errors import SpecError
from airflow_dataops.services.metadata_api.refusals import Refused
from airflow_dataops.services.metadata_api.settings import ApiSettings

TOKENS = "DATAOPS_METADATA_TOKENS"
_SHORTEST = 16
_LOOK_EVERY = 1.0


class Tokens:
    """Tokens of a file, a line each, read again when it changes; and those of the environment.

    Args:
        file: The file; lines that begin with ``#`` are none.
        environment: ``DATAOPS_METADATA_TOKENS``: tokens with commas or spaces between them.
        clock: Seconds that pass.

    Raises:
        SpecError: The file cannot be read, holds none, or a token has fewer than 16 characters (``TOKENS``).
    """

    def __init__(
        self, file: Path | None, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file, self._clock = file, clock
        self._fixed = _digests(environment.get(TOKENS, "").replace(",", " ").split(), TOKENS)
        self._seen: tuple[int, int] | None = None
        self._looked = 0.0
        self._known = self._fixed
        if file is not None:
            self._read()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._known)

    def hold(self, given: str) -> bool:
        """Tell whether a token is one of them; how long that takes says nothing of it."""
        self._look()
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        found = False
        for known in self._known:
            found |= hmac.compare_digest(digest, known)
        return found

    def _look(self) -> None:
        """Read a file that has changed. One that is gone, or broken, changes nothing: it may be written at this moment."""
        if self._file is None or self._clock() - self._looked < _LOOK_EVERY:
            return
        self._looked = self._clock()
        try:
            stat = self._file.stat()
            if (stat.st_mtime_ns, stat.st_ino) != self._seen:
                self._read()
        except (OSError, SpecError):
            return

    def _read(self) -> None:
        assert self._file is not None  # noqa: S101  # both callers have looked
        try:
            stat, lines = self._file.stat(), self._file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or "it is no text"
            raise SpecError(f"tokens cannot be read from {self._file}: {what}", code="TOKENS") from None
        words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not words:
            hint = "write a token a line: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            raise SpecError(f"{self._file} holds no token", hint=hint, code="TOKENS")
        self._known = self._fixed | _digests(words, str(self._file))
        self._seen = (stat.st_mtime_ns, stat.st_ino)


def check(settings: ApiSettings, tokens: Tokens, authorization: str, subject: str | None) -> None:
    """Let a request in.

    Args:
        settings: Says which certificates may.
        tokens: Those that are valid; without any, none is asked for.
        authorization: The header.
        subject: Common name of the client's certificate; None: it has none.

    Raises:
        Refused: It may not: nobody knows who it is (401), or it is known and may not (403).
    """
    if settings.needs_certificate and subject is None:
        raise Refused(401, "NO_CERTIFICATE", "a client certificate is needed")
    if settings.subjects and subject not in settings.subjects:
        raise Refused(403, "SUBJECT", "the name in the client certificate is not one that may post events")
    if not tokens:
        return
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not tokens.hold(given.strip()):
        raise Refused(401, "TOKEN", "a valid token is needed: Authorization: Bearer TOKEN")


def _digests(words: list[str], where: str) -> frozenset[bytes]:
    if any(len(word) < _SHORTEST for word in words):
        raise SpecError(f"a token in {where} has fewer than {_SHORTEST} characters", code="TOKENS")
    return frozenset(hashlib.sha256(word.encode()).digest() for word in words)


__all__ = ["TOKENS", "Tokens", "check"]
