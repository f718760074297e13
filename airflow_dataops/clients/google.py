# SPDX-License-Identifier: Apache-2.0
"""How Google is reached: settings, credentials that are refreshed beside the event loop, and one error for all of its services."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from airflow_dataops.core.dataproc_dask.diagnosis import is_transient
from airflow_dataops.core.errors import DataOpsError, MissingDependency
from airflow_dataops.core.machine import CallError

_T = TypeVar("_T")

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_REFRESH_SECONDS = 20.0
_THREADS = 16
_LONGEST_MESSAGE = 2000
_SIGN_IN = "on a laptop: gcloud auth application-default login; elsewhere: an account of the machine, or Workload Identity Federation"
_SECRETS = re.compile(
    r"ya29\.[\w.-]+|(?i:bearer)\s+[\w.~+/=-]+|eyJ[\w-]+\.[\w-]+(\.[\w-]+)?"
    r"|(?i:(access_token|refresh_token|id_token|client_secret|assertion|private_key|x-goog-signature)[\"']?\s*[=:]\s*[\"']?)[^\s\"',&}]+"
    r"|-----BEGIN [^-]*-----.*?(-----END [^-]*-----|$)",
    re.DOTALL,
)


@dataclass(frozen=True)
class GoogleSettings:
    """Where Google is, and as whom it is asked. Clients with equal settings share a connection and a token.

    Attributes:
        project: Project id.
        region: Region.
        credentials: Makes credentials of ``google.auth`` when they are first needed, beside the event loop; None for Application Default
            Credentials. Equal functions share a token: give a frozen dataclass with ``__call__`` where each caller makes its own.
        impersonation_chain: Accounts to act as: the last one through those before it. Empty for none.
        dataproc_endpoint: ``host:port``, also of a private endpoint; None for the region's. It is always TLS; another authority is named by
            the file in ``GRPC_DEFAULT_SSL_ROOTS_FILE_PATH``.
        storage_endpoint: ``http(s)://host:port``; None for Google's, or what ``STORAGE_EMULATOR_HOST`` says.
        quota_project: Project whose quota counts; None for the credentials' own.
    """

    project: str
    region: str
    credentials: Callable[[], Any] | None = None
    impersonation_chain: tuple[str, ...] = ()
    dataproc_endpoint: str | None = None
    storage_endpoint: str | None = None
    quota_project: str | None = None

    @property
    def dataproc(self) -> str:
        """Address of Dataproc, ``host:port``."""
        return self.dataproc_endpoint or f"{self.region}-dataproc.googleapis.com:443"

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells one token from another."""
        return (self.credentials, self.impersonation_chain, self.quota_project)

    def auth(self) -> Auth:
        """Return a new keeper of this identity's token; :data:`AUTHS` has the one that is shared."""
        return Auth(self.identity)


def accounts_of(chain: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the accounts of an impersonation chain: a text has them between commas."""
    parts = chain.split(",") if isinstance(chain, str) else chain or ()
    return tuple(part.strip() for part in parts if part.strip())


class CloudError(DataOpsError):
    """A service of Google's answered with an error, or not at all.

    Args:
        error: The answer; its code (the name of a gRPC status, for storage too) is the error's own.
        what: What was tried, for people: ``"read gs://bucket/object"``.
    """

    def __init__(self, error: CallError, what: str) -> None:
        text = f"could not {what}: {error.message}" if error.message else f"could not {what}"
        super().__init__(text, hint=_SIGN_IN if error.code == "UNAUTHENTICATED" else None, code=error.code)
        self.error = error

    def to_dict(self) -> dict[str, Any]:
        """Return the error as a document; it says whether a retry makes sense."""
        return super().to_dict() | {"retryable": is_transient(self.error)}


class Auth:
    """The headers that say who asks. :meth:`refresh` blocks, all else does not."""

    def __init__(self, identity: tuple[Any, ...]) -> None:
        self._make, self._chain, self._quota_project = identity
        self._lock = threading.Lock()
        self.credentials: Any = None

    @property
    def ready(self) -> bool:
        """True where :meth:`headers` may be asked: there is a token, and it lives for some minutes."""
        return self.credentials is not None and bool(self.credentials.valid)

    def headers(self) -> dict[str, str]:
        """Return the headers, with names in small letters."""
        found: dict[str, str] = {}
        self.credentials.apply(found)
        return {name.lower(): value for name, value in found.items()}

    def load(self) -> Any:
        """Return the credentials, made on the first call.

        Raises:
            CloudError: There are none (``UNAUTHENTICATED``).
            MissingDependency: Google's libraries are not installed.
        """
        with self._lock:
            if self.credentials is None:
                try:
                    self.credentials = self._load()
                except Exception as error:
                    raise CloudError(auth_error(error), "find credentials") from error
            return self.credentials

    def refresh(self) -> None:
        """Fetch a token where there is none that lives for some minutes; callers at the same time fetch one.

        Raises:
            CloudError: There are no credentials, or no token for them (``UNAUTHENTICATED``, or ``UNAVAILABLE`` where that may pass).
            MissingDependency: Google's libraries are not installed.
        """
        credentials = self.load()
        with self._lock:
            if credentials.valid:
                return
            from google.auth.transport.requests import Request

            try:
                credentials.refresh(functools.partial(Request(), timeout=_REFRESH_SECONDS))
            except Exception as error:
                raise CloudError(auth_error(error), "fetch a token") from error

    def _load(self) -> Any:
        auth = import_google("google.auth")
        if self._make is not None:
            found = self._make()
        else:
            found, _ = auth.default(scopes=[SCOPE])
        if self._chain:
            impersonated = import_google("google.auth.impersonated_credentials")
            found = impersonated.Credentials(
                source_credentials=found,
                target_principal=self._chain[-1],
                delegates=list(self._chain[:-1]),
                target_scopes=[SCOPE],
            )
        if self._quota_project and hasattr(found, "with_quota_project"):
            found = found.with_quota_project(self._quota_project)
        return found


class Shared(Generic[_T]):
    """Things that all clients of a process with the same key use together, and that go with the last of them.

    Five hundred deferred tasks in one process would otherwise have five hundred connections, each with a thread, and as many tokens.
    """

    def __init__(self, close: Callable[[_T], None] | None = None) -> None:
        self._close = close
        self._lock = threading.Lock()
        self._held: dict[tuple[Any, ...], tuple[_T, int]] = {}

    def acquire(self, key: tuple[Any, ...], make: Callable[[], _T]) -> _T:
        """Return the thing of this key, made where there is none; a forked child has its own."""
        key = (os.getpid(), *key)
        with self._lock:
            thing, users = self._held[key] if key in self._held else (make(), 0)
            self._held[key] = (thing, users + 1)
            return thing

    def release(self, key: tuple[Any, ...]) -> None:
        """Give the thing back; the last one closes it."""
        key = (os.getpid(), *key)
        with self._lock:
            if key not in self._held:
                return
            thing, users = self._held.pop(key)
            if users > 1:
                self._held[key] = (thing, users - 1)
                return
        if self._close is not None:
            self._close(thing)


AUTHS: Shared[Auth] = Shared()
_POOLS: dict[int, ThreadPoolExecutor] = {}


async def off_loop(function: Callable[..., _T], *args: Any) -> _T:
    """Run something that blocks beside the event loop, in threads of our own: a silent service holds up nobody else's."""
    pool = _POOLS.get(os.getpid())
    if pool is None:
        pool = _POOLS.setdefault(os.getpid(), ThreadPoolExecutor(_THREADS, thread_name_prefix="dataops-google"))
    return await asyncio.get_running_loop().run_in_executor(pool, functools.partial(function, *args))


def import_google(name: str) -> Any:
    """Import a module of Google's; it takes up to two seconds, so never on an event loop.

    Raises:
        MissingDependency: It is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependency(f"{error.name} is not installed", hint='pip install "airflow-dataops[gcp]"') from error


def auth_error(error: BaseException) -> CallError:
    """Return what went wrong with credentials as the answer of a call."""
    if isinstance(error, MissingDependency):
        raise error
    if isinstance(error, CloudError):
        return error.error
    passes = bool(getattr(error, "retryable", False)) or type(error).__name__ == "TransportError"
    return CallError("UNAVAILABLE" if passes else "UNAUTHENTICATED", clean(f"{type(error).__name__}: {error}"))


def clean(message: str) -> str:
    """Return a message without what looks like a token or key, and not endless."""
    text = _SECRETS.sub("***", message)
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} …"


__all__ = ["CloudError", "GoogleSettings", "accounts_of"]
