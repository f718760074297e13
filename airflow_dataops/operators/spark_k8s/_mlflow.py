# SPDX-License-Identifier: Apache-2.0
"""A task's run in MLflow. It is an addition: whatever goes wrong with it is one warning in the log, and the task goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from airflow_dataops.clients.mlflow import MlflowClient
    from airflow_dataops.core.identity import RunIdentity
    from airflow_dataops.core.spark_k8s.run import SparkRun
    from airflow_dataops.core.spark_k8s.tracking import MlflowServer, MlflowSettings

MLFLOW_KEY = "dataops_mlflow_run"
MOST_SECONDS = 10.0
_KILL_SECONDS = 2.0
_T = TypeVar("_T")


class Tracked:
    """One task's run in MLflow.

    Args:
        operator: Has ``mlflow``, ``instance`` and a log.
        context: Airflow's.
    """

    def __init__(self, operator: Any, context: Any) -> None:
        self._operator, self._context = operator, context
        self._run_id: str | None = None
        self._begun_at: MlflowServer | None = None

    @property
    def handed(self) -> dict[str, Any] | None:
        """What the trigger needs to close the run where a person ends the task meanwhile; None where none was begun."""
        from airflow_dataops.triggers._mlflow import handed

        if self._run_id is None or self._begun_at is None:
            return None
        return handed(self._run_id, self._begun_at)

    def begin(self, run: SparkRun) -> SparkRun:
        """Return the run with what its driver needs to log into MLflow; the run as it is where nothing comes of that."""
        begun = self._guarded("begin the run", lambda: self._begun(run), MOST_SECONDS)
        if begun is None:
            return run
        self._run_id, found, self._begun_at = begun
        self._context["ti"].xcom_push(key=MLFLOW_KEY, value=self._run_id)
        return found

    def end(self, kept: Mapping[str, Any]) -> None:
        """Write down how the run ended, where one was begun."""
        run_id = self._mine()
        if run_id is not None:
            self._guarded("write down how the run ended", lambda: self._ended(run_id, kept), MOST_SECONDS)

    def kill(self) -> None:
        """Close the run as killed."""
        run_id = self._run_id
        if run_id is not None:
            self._guarded("close the run", lambda: self._client().end(run_id, "KILLED", _now()), _KILL_SECONDS)

    def abandon(self) -> None:
        """Close the run as failed, where one was begun and nobody will tell how it ended."""
        self._guarded("close the run", self._abandoned, MOST_SECONDS)

    def _begun(self, run: SparkRun) -> tuple[str, SparkRun, MlflowServer]:
        from airflow_dataops.core.spark_k8s.run import parse
        from airflow_dataops.core.spark_k8s.tracking import marks, params_of, with_tracking
        from airflow_dataops.operators._refusal import written

        identity, settings = self._identity(), self._settings()
        server, client = self._server(settings)
        experiment = client.experiment(settings.experiment or identity.dag_id)
        run_id = _running(client, experiment, identity)
        if run_id is None:
            name = settings.run_name or f"{identity.task_id} {identity.run_id}"
            run_id = client.begin(experiment, name, marks(identity), _now())
            try:
                client.log(run_id, params=params_of(run), at_ms=_now())
            except Exception:
                client.end(run_id, "FAILED", _now())
                raise
        self._operator.log.info("MLflow: run %s of experiment %s at %s", run_id, experiment, server.uri)
        return run_id, parse({**written(run), "app": written(with_tracking(run.app, server, run_id))}), server

    def _ended(self, run_id: str, kept: Mapping[str, Any]) -> bool:
        from airflow_dataops.core.spark_k8s.tracking import measured, verdict

        client = self._client()
        try:
            client.log(run_id, metrics=measured(kept), tags=verdict(kept), at_ms=_now())
        finally:  # a run that nobody ends is taken for one that goes on
            client.end(run_id, "FAILED" if kept.get("failure") else "FINISHED", _now())
        return True

    def _abandoned(self) -> None:
        run_id = self._mine()
        if run_id is not None:
            self._client().end(run_id, "FAILED", _now())

    def _mine(self) -> str | None:
        """Return the run that :meth:`begin` has made, maybe in another process of this try."""
        if self._run_id is not None or not self._operator.mlflow:
            return self._run_id
        ti = self._context["ti"]
        index = getattr(ti, "map_index", -1)
        found: str | None = ti.xcom_pull(task_ids=ti.task_id, key=MLFLOW_KEY, map_indexes=index)
        return found

    def _client(self) -> MlflowClient:
        return self._server(self._settings())[1]

    def _identity(self) -> RunIdentity:
        from airflow_dataops.operators._identity import identity_of

        return identity_of(self._context, self._operator.instance)

    def _settings(self) -> MlflowSettings:
        from airflow_dataops.core.spark_k8s.tracking import MlflowSettings
        from airflow_dataops.operators._job import plain
        from airflow_dataops.operators._refusal import written

        given = self._operator.mlflow
        return MlflowSettings() if given is True else MlflowSettings.model_validate(plain(written(given)))

    def _server(self, settings: MlflowSettings) -> tuple[MlflowServer, MlflowClient]:
        from airflow_dataops.core.spark_k8s.tracking import server_of
        from airflow_dataops.triggers._mlflow import client_of

        server = server_of(settings, _connection(settings.conn_id), os.environ)
        return server, client_of(server)

    def _guarded(self, what: str, do: Callable[[], _T], seconds: float) -> _T | None:
        if not self._operator.mlflow:
            return None
        from airflow_dataops.clients.mlflow import within

        try:
            return within(seconds, do)
        except Exception as error:  # noqa: BLE001  tracking is never a reason for failure
            said = " ".join(f"{type(error).__name__}: {error}".split())
            self._operator.log.warning("MLflow: could not %s, the task goes on without it: %s", what, said)
            return None


def _running(client: MlflowClient, experiment: str, identity: RunIdentity) -> str | None:
    from airflow_dataops.core.spark_k8s.names import run_key
    from airflow_dataops.core.spark_k8s.tracking import RUN_TAG

    return client.running(experiment, RUN_TAG, run_key(identity))


def _connection(conn_id: str | None) -> dict[str, Any] | None:
    from airflow.providers.common.compat.sdk import BaseHook

    if conn_id is None:
        return None
    found = BaseHook.get_connection(conn_id)
    return {field: getattr(found, field) for field in ("host", "schema", "port", "login", "password")}


def _now() -> int:
    from airflow_dataops.clients.drive import utcnow

    return int(utcnow().timestamp() * 1000)
