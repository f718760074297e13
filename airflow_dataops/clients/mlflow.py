# SPDX-License-Identifier: Apache-2.0
"""MLflow's tracking server, by the few calls of its REST interface that a run needs: the package itself takes seconds to import."""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib import error, parse, request

from airflow_dataops import __version__
from airflow_dataops.core.errors import DataOpsError

_T = TypeVar("_T")
_API = "/api/2.0/mlflow"
_LARGEST = 1 << 20
_SECONDS = 5.0


class MlflowError(DataOpsError):
    """The server did not do what it was asked for.

    Attributes:
        status: HTTP status; 0 where there was no answer.
    """

    default_code = "MLFLOW"
    status: int = 0


class _NoRedirects(request.HTTPRedirectHandler):
    """A token goes to the server that it is for."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


class MlflowClient:
    """Requests to one server.

    Args:
        uri: Its address.
        user: Name of the user.
        secret: The user's password or, without a user, a token; it is shown nowhere.
        seconds: Longest silence of the server.
    """

    def __init__(
        self, uri: str, *, user: str | None = None, secret: str | None = None, seconds: float = _SECONDS
    ) -> None:
        self.uri = uri.rstrip("/")
        self._seconds = seconds
        self._headers = {"Content-Type": "application/json", "User-Agent": f"airflow-dataops/{__version__}"}
        if user is not None:
            pair = base64.b64encode(f"{user}:{secret or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        elif secret is not None:
            self._headers["Authorization"] = f"Bearer {secret}"
        self._opener = request.build_opener(_NoRedirects())

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, which is made where there is none.

        Raises:
            MlflowError: The server does not give it.
        """
        known = self._experiment(name)
        if known is not None:
            return known
        try:
            return str(self._send("POST", "experiments/create", {"name": name})["experiment_id"])
        except MlflowError:
            # Another task of the same DAG may have been quicker: RESOURCE_ALREADY_EXISTS.
            known = self._experiment(name)
            if known is None:
                raise
            return known

    def running(self, experiment: str, tag: str, value: str) -> str | None:
        """Return the id of the newest run that has a tag and has not ended; None where there is none.

        Raises:
            MlflowError: The server does not say.
        """
        wanted = f"tags.`{tag}` = '{value}' and attributes.status = 'RUNNING'"
        body = {"experiment_ids": [experiment], "filter": wanted, "max_results": 1}
        found = self._send("POST", "runs/search", body).get("runs") or []
        return str(found[0]["info"]["run_id"]) if found else None

    def begin(self, experiment: str, name: str, tags: Mapping[str, str], at_ms: int) -> str:
        """Make a run and return its id.

        Raises:
            MlflowError: The server does not make it.
        """
        body = {"experiment_id": experiment, "run_name": name, "start_time": at_ms, "tags": _pairs(tags)}
        return str(self._send("POST", "runs/create", body)["run"]["info"]["run_id"])

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        at_ms: int = 0,
    ) -> None:
        """Write parameters, numbers and tags of a run; numbers that are none (NaN, infinite) are left out.

        Raises:
            MlflowError: The server does not take them.
        """
        numbers = [
            {"key": name, "value": value, "timestamp": at_ms, "step": 0}
            for name, value in (metrics or {}).items()
            if math.isfinite(value)
        ]
        body = {"run_id": run_id, "params": _pairs(params or {}), "metrics": numbers, "tags": _pairs(tags or {})}
        self._send("POST", "runs/log-batch", body)

    def end(self, run_id: str, status: str, at_ms: int) -> None:
        """Close a run.

        Args:
            run_id: The run.
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            at_ms: When, in milliseconds since 1970.

        Raises:
            MlflowError: The server does not do it.
        """
        self._send("POST", "runs/update", {"run_id": run_id, "status": status, "end_time": at_ms})

    def _experiment(self, name: str) -> str | None:
        query = parse.urlencode({"experiment_name": name})
        try:
            return str(self._send("GET", f"experiments/get-by-name?{query}")["experiment"]["experiment_id"])
        except MlflowError as missing:
            if missing.status != 404:
                raise
            return None

    def _send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        asked = request.Request(f"{self.uri}{_API}/{path}", data, self._headers, method=method)  # noqa: S310 - http(s) only
        try:
            with self._opener.open(asked, timeout=self._seconds) as answer:
                found = json.loads(answer.read(_LARGEST))
        except error.HTTPError as failed:
            raise _failure(f"HTTP {failed.code} {_said(failed)}".strip(), failed.code) from None
        except (OSError, ValueError) as failed:
            raise _failure(f"{type(failed).__name__}: {failed}", 0) from None
        return found if isinstance(found, dict) else {}


def within(seconds: float, do: Callable[[], _T]) -> _T:
    """Return what ``do`` returns; it is left alone after so long, whatever it hangs on.

    Raises:
        TimeoutError: It takes longer.
        Exception: What it raises.
    """
    done: list[Any] = []

    def run() -> None:
        try:
            done.append((do(), None))
        except Exception as failed:  # noqa: BLE001  raised in the caller's thread
            done.append((None, failed))

    thread = threading.Thread(target=run, daemon=True, name="mlflow")
    thread.start()
    thread.join(seconds)
    if not done:
        raise TimeoutError(f"no answer within {seconds:g} s")
    value, failed = done[0]
    if failed is not None:
        raise failed
    return value  # type: ignore[no-any-return]


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items()]


def _failure(text: str, status: int) -> MlflowError:
    made = MlflowError(text, hint="look at MLflow's server, and at the connection to it")
    made.status = status
    return made


def _said(failed: error.HTTPError) -> str:
    try:
        found = json.loads(failed.read(_LARGEST))
        return str(found.get("message") or found.get("error_code") or "")[:300]
    except (OSError, ValueError, AttributeError):
        return ""


__all__ = ["MlflowClient", "MlflowError", "within"]
