# SPDX-License-Identifier: Apache-2.0
"""What MLflow is told of a run, and what the driver is told of MLflow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.model import Model
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.sizes import most_executors
from airflow_dataops.core.spark_k8s.spec import RunParts, SparkApp
from airflow_dataops.core.spark_k8s.step import MODULE, decode

RUN_TAG = "dataops.run"
RUN_ID, TRACKING_URI = "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
LONGEST_PARAM = 500  # of MLflow before 2.8
_HTTP = re.compile(r"https?://[^/@?#\s]+(?:/[^@?#\s]*)?")
_NOT_IN_NAMES = re.compile(
    r"[^\w. -]"
)  # what no version takes in the name of a number or parameter, and what would be a folder
_LONGEST_NAME = 250
_MOST_NUMBERS = 500  # of one request, which takes a thousand of everything
_DEEPEST = 3  # of a step of a pipeline: result.step.rows.read


class MlflowSettings(Model):
    """Where a run is tracked.

    Attributes:
        conn_id: Connection with the server's address (``host``, ``schema``, ``port``), and its user and password, or a token as its
            password alone; None takes ``tracking_uri``.
        tracking_uri: ``https://mlflow.example.com``; None takes ``MLFLOW_TRACKING_URI`` of the workers, with its user, password and token.
        experiment: Name of the experiment, made where there is none; None takes the DAG's id.
        run_name: Name of the run; None takes the task's id and the run's.
    """

    conn_id: str | None = None
    tracking_uri: str | None = None
    experiment: str | None = None
    run_name: str | None = None


@dataclass(frozen=True)
class MlflowServer:
    """A server, and references to what it wants to know of whoever asks.

    Attributes:
        uri: Its address, without a slash at its end.
        user: Name of the user; None where there is none.
        password: Reference of the user's password.
        token: Reference of a token; without a user.
    """

    uri: str
    user: str | None = None
    password: str | None = None
    token: str | None = None


def server_of(
    settings: MlflowSettings, connection: Mapping[str, Any] | None, environ: Mapping[str, str]
) -> MlflowServer:
    """Return the server that settings mean.

    Args:
        settings: The settings.
        connection: ``host``, ``schema``, ``port``, ``login``, ``password`` of their connection; None without one.
        environ: The workers' environment.

    Raises:
        SpecError: They name none, or one that is not spoken to over HTTP (``MLFLOW_SETTINGS``).
    """
    if connection is not None:
        address = _address(connection)
        user, password = connection.get("login"), f"conn:{settings.conn_id}.password"
        known = password if connection.get("password") else None
        return MlflowServer(_checked(address), user or None, known if user else None, None if user else known)
    address = settings.tracking_uri or environ.get(TRACKING_URI, "")
    user = environ.get(USER) or None
    return MlflowServer(
        _checked(address),
        user,
        f"env:{PASSWORD}" if user and environ.get(PASSWORD) else None,
        f"env:{TOKEN}" if not user and environ.get(TOKEN) else None,
    )


def with_tracking(app: SparkApp, server: MlflowServer, run_id: str) -> SparkApp:
    """Return the program with what its own ``mlflow`` needs to log into the run; what the program says itself stays.

    Passwords and tokens are references, whose values go into the Secret of the driver.
    """
    plain = {RUN_ID: run_id, TRACKING_URI: server.uri} | ({USER: server.user} if server.user else {})
    secret = {name: source for name, source in ((PASSWORD, server.password), (TOKEN, server.token)) if source}
    given = {**app.env, **app.secret_env}
    env = {name: value for name, value in plain.items() if name not in given}
    secret_env = {name: value for name, value in secret.items() if name not in given}
    return app.model_copy(update={"env": {**app.env, **env}, "secret_env": {**app.secret_env, **secret_env}})


def params_of(run: RunParts) -> dict[str, str]:
    """Return what was asked for, as MLflow's parameters: texts of at most 500 characters, a hundred of them."""
    app = run.app
    found: dict[str, Any] = {
        "main": app.main or app.module or app.main_class,
        **_asked(app),
        "image": app.image,
        "spark_version": app.spark_version,
        "mode": run.target.mode,
        "namespace": run.target.namespace if run.target.mode != "standalone" else None,
        "driver.cores": app.driver.cores,
        "driver.memory": app.driver.memory,
        "executors": most_executors(app),
        "executor.cores": app.executor.cores,
        "executor.memory": app.executor.memory,
        **{f"conf.{name}": value for name, value in app.conf.items()},
    }
    texts = {_named(name): str(value)[:LONGEST_PARAM] for name, value in found.items() if value is not None}
    return dict(list(texts.items())[:100])


def measured(kept: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a run's document: seconds, executors, the exit code, and those in the program's own result, as rows.

    They are at most 500, with names as MLflow takes them: what it refuses, it refuses whole.
    """
    found = {f"seconds.{name}": float(value) for name, value in (kept.get("seconds") or {}).items()}
    found |= {name: float(kept[name]) for name in ("executor_peak", "exit_code") if kept.get(name) is not None}
    found |= {_named(name): value for name, value in _numbers("result", kept.get("result"), _DEEPEST)}
    return dict(list(found.items())[:_MOST_NUMBERS])


def verdict(kept: Mapping[str, Any]) -> dict[str, str]:
    """Return how a run ended, as MLflow's tags; of a step of a pipeline what it says of its failure, which is the task's."""
    result = kept.get("result")
    step, error = _part(result, "step"), _part(result, "error")
    failure = kept.get("failure") or {}
    if failure and error.get("code"):
        failure = error
    links = {
        f"dataops.{name}": kept[name] for name in ("driver_pod", "application_id", "history_url") if kept.get(name)
    }
    told = {"dataops.verdict": str(failure.get("code") or "OK"), "dataops.message": str(failure.get("message") or "")}
    links |= {f"dataops.step.{name}": step[name] for name in ("status", "verdict") if step.get(name)}
    return {name: str(value)[:LONGEST_PARAM] for name, value in {**told, **links}.items() if value}


def marks(identity: RunIdentity) -> dict[str, str]:
    """Return the tags by which a run is found again and known."""
    return {
        RUN_TAG: names.run_key(identity),
        "mlflow.source.name": f"{identity.dag_id}.{identity.task_id}",
        "mlflow.source.type": "JOB",
        "airflow.dag_id": identity.dag_id,
        "airflow.task_id": identity.task_id,
        "airflow.run_id": identity.run_id,
    }


def _named(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME]


def _asked(app: SparkApp) -> dict[str, Any]:
    """Return the arguments; of a step of a pipeline, which is packed into one, what of it people want to know."""
    step = _step(app)
    if step:
        said = {name: step.get(name) for name in ("job", "task", "engine")}
        run, source, target = (_part(step, name) for name in ("run", "source", "target"))
        said |= {"pipeline": run.get("pipeline"), "run_key": run.get("key")}
        said |= {"source": source.get("path"), "target": target.get("path")}
        return {f"step.{name}": value for name, value in said.items()}
    return {"args": " ".join(str(one) for one in app.args) or None}


def _step(app: SparkApp) -> dict[str, Any]:
    """Return the step that a program does; empty where it is another program, whatever its name."""
    if not app.args or not (app.module == MODULE or str(app.main).endswith("/step.py")):
        return {}
    try:
        return decode(str(app.args[0]))
    except SpecError:
        return {}


def _part(document: Any, name: str) -> Mapping[str, Any]:
    found = document.get(name) if isinstance(document, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _numbers(prefix: str, value: Any, depth: int) -> Iterator[tuple[str, float]]:
    if isinstance(value, bool | int | float):
        yield prefix, float(value)
    elif isinstance(value, Mapping) and depth:
        for name, part in value.items():
            yield from _numbers(f"{prefix}.{name}", part, depth - 1)


def _address(connection: Mapping[str, Any]) -> str:
    host = str(connection.get("host") or "")
    if host and "://" not in host:
        host = f"{connection.get('schema') or 'http'}://{host}"
    return f"{host}:{connection['port']}" if host and connection.get("port") else host


def _checked(address: str) -> str:
    if _HTTP.fullmatch(address) is None:
        raise SpecError(
            "MLflow's server is not given as http://… or https://…, without user and password in it",
            hint=f"mlflow: {{conn_id: …}}, {{tracking_uri: https://…}} or {TRACKING_URI}; user and password belong into a connection",
            code="MLFLOW_SETTINGS",
        )
    return address.rstrip("/")


__all__ = ["MlflowServer", "MlflowSettings", "marks", "measured", "params_of", "server_of", "verdict", "with_tracking"]
