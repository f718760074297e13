# SPDX-License-Identifier: Apache-2.0
"""Apache's operator, as its API tells: ``spark.apache.org/v1``. Each attempt has a driver pod of its own name, which no status field tells."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.services.kube.api import ApiError
from tests.services.kube.controllers import Controller, Document, now, phase_of, why
from tests.services.kube.spark_driver import create_driver, under

_LONGEST_ID, _HASH = 46, 36
_FAILURES = ("Failed", "SchedulingFailure", "DriverEvicted", "DriverStartTimedOut", "DriverReadyTimedOut")
_KEPT = "Application is terminated without releasing resources as configured."
_REMOVED = "Driver removed. This could caused by 'exit' called in driver process with non-zero code."


class Apache(Controller):
    """Goes from state to state: one step a look."""

    kind = ApplicationApi.APACHE

    def reconcile(self, application: Document) -> None:
        """Go one step on."""
        state = _state(application)
        if state == "":
            summary = {"attemptInfo": {"id": 0}}
            self._next(application, "Submitted", "created", {"currentAttemptSummary": summary})
        elif state in ("Submitted", "ScheduledToRestart"):
            if state == "Submitted" or _age(application) >= _restart(application).get("restartBackoffMillis", 30_000):
                self._request(application)
        elif state in ("DriverRequested", "DriverStarted", "DriverReady", "RunningHealthy"):
            self._observe(application, state)
        elif state == "Succeeded" or state in _FAILURES:
            self._end(application, state)

    def _request(self, application: Document) -> None:
        app_id = _app_id(application)
        try:
            create_driver(self.api, application, f"{app_id}-driver", app_id, _parts(application))
        except ApiError as error:
            told = f"Failed to request driver from scheduler backend. StackTrace: {error}"
            self._next(application, "SchedulingFailure", told)
            return
        self._next(application, "DriverRequested", "Requested driver from resource scheduler.")

    def _observe(self, application: Document, state: str) -> None:
        pod = self.pod(application, f"{_app_id(application)}-driver")
        if pod is None:
            self._next(application, "Failed", _REMOVED)
            return
        phase, status = phase_of(pod), {"lastObservedDriverStatus": pod.get("status") or {}}
        if pod.get("status", {}).get("reason") == "Evicted":
            self._next(application, "DriverEvicted", "evicted", state=status)
        elif phase == "Failed":
            self._next(application, "Failed", why(pod), state=status)
        elif phase == "Succeeded":
            self._next(application, "Succeeded", "Driver has critical container(s) exited with 0.", state=status)
        elif phase == "Running" and state != "RunningHealthy":
            following = {"DriverRequested": "DriverStarted", "DriverStarted": "DriverReady"}
            self._next(application, following.get(state, "RunningHealthy"), "")

    def _end(self, application: Document, state: str) -> None:
        spec, status = application["spec"], application["status"]
        tolerations = spec.get("applicationTolerations") or {}
        restart, number = _restart(application), _attempt(application)
        policy = restart.get("restartPolicy", "Never")
        wanted = policy == "Always" or (policy == "OnFailure" and state in _FAILURES)
        kept = tolerations.get("resourceRetainPolicy", "Never")
        keeps = kept == "Always" or (kept == "OnFailure" and state in _FAILURES)
        if wanted and number < restart.get("maxRestartAttempts", 3):
            self.delete(application, f"{_app_id(application)}-driver")
            summaries = {
                "previousAttemptSummary": status["currentAttemptSummary"],
                "currentAttemptSummary": {"attemptInfo": {"id": number + 1}},
            }
            self._next(application, "ScheduledToRestart", "", summaries)
        elif keeps:
            self._next(application, "TerminatedWithoutReleaseResources", _KEPT)
        else:
            self.delete(application, f"{_app_id(application)}-driver")
            self._next(application, "ResourceReleased", "")

    def _next(
        self, application: Document, summary: str, message: str, more: Document | None = None, *, state: Any = None
    ) -> None:
        new = {"currentStateSummary": summary, "lastTransitionTime": now(micro=True), "message": message}
        new |= state or {}
        history = (application.get("status") or {}).get("stateTransitionHistory") or {}
        number = str(max(map(int, history), default=-1) + 1)
        self.write(application, {"currentState": new, "stateTransitionHistory": {number: new}, **(more or {})})


def _parts(application: Document) -> dict[str, Any]:
    spec = application["spec"]
    conf = dict(spec.get("sparkConf") or {})
    return {
        "conf": conf,
        "labels": {
            **under(conf, "spark.kubernetes.driver.label."),
            "spark.operator/spark-app-name": application["metadata"]["name"],
        },
        "annotations": under(conf, "spark.kubernetes.driver.annotation."),
        "template": (spec.get("driverSpec") or {}).get("podTemplateSpec") or {},
        "executor": (spec.get("executorSpec") or {}).get("podTemplateSpec") or {},
        "main": spec.get("jars") or spec.get("pyFiles") or spec["sparkRFiles"],
        "main_class": spec.get("mainClass"),
        "args": spec.get("driverArgs") or [],
        "image": conf["spark.kubernetes.container.image"],
        "account": conf.get("spark.kubernetes.authenticate.driver.serviceAccountName", "default"),
    }


def _state(application: Document) -> str:
    return str((((application.get("status") or {}).get("currentState")) or {}).get("currentStateSummary", ""))


def _restart(application: Document) -> Document:
    found: Document = (application["spec"].get("applicationTolerations") or {}).get("restartConfig") or {}
    return found


def _attempt(application: Document) -> int:
    return int(application["status"]["currentAttemptSummary"]["attemptInfo"]["id"])


def _app_id(application: Document) -> str:
    """Return Spark's id of the attempt: ``<name>-<attempt>``, or a beginning of it and a hash where that is too long."""
    meta = application["metadata"]
    plain = f"{meta['name']}-{_attempt(application)}"
    if len(plain) <= _LONGEST_ID:
        return plain
    whole = "/".join((meta["namespace"], meta["name"], str(_attempt(application))))
    return f"{plain[: _LONGEST_ID - _HASH - 1]}-{hashlib.sha256(whole.encode()).hexdigest()[:_HASH]}"


def _age(application: Document) -> float:
    since = datetime.fromisoformat(application["status"]["currentState"]["lastTransitionTime"])
    return (datetime.now(UTC) - since).total_seconds() * 1000
