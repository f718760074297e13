# SPDX-License-Identifier: Apache-2.0
"""Kubeflow's operator, as its API tells: ``sparkoperator.k8s.io/v1beta2``."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.services.kube.api import ApiError
from tests.services.kube.controllers import Controller, Document, now, phase_of, why
from tests.services.kube.spark_driver import create_driver


class Kubeflow(Controller):
    """Goes from state to state: one step a look."""

    kind = ApplicationApi.KUBEFLOW

    def reconcile(self, application: Document) -> None:
        """Go one step on."""
        state = _state(application)
        if state in ("", "SUBMISSION_FAILED"):
            self._begin(application, state)
        elif state in ("SUBMITTED", "RUNNING"):
            self._observe(application)
        elif state == "SUCCEEDING":
            again = _policy(application).get("type") == "Always"
            self._state(application, "PENDING_RERUN" if again else "COMPLETED")
        elif state == "FAILING":
            self._failing(application)
        elif state == "PENDING_RERUN":
            name = _pod_name(application)
            if self.pod(application, name) is None:
                self._submit(application)
            else:
                self.delete(application, name)

    def _begin(self, application: Document, state: str) -> None:
        policy, status = _policy(application), application.get("status") or {}
        if not state:
            self._submit(application)
            return
        most = policy.get("onSubmissionFailureRetries", 0) if policy.get("type") == "OnFailure" else 0
        if status.get("submissionAttempts", 0) > most:
            self._state(application, "FAILED", status["applicationState"].get("errorMessage", ""))
        elif _since(status) >= policy.get("onSubmissionFailureRetryInterval", 5):
            self._submit(application)

    def _submit(self, application: Document) -> None:
        status = application.get("status") or {}
        app_id = f"spark-{uuid.uuid4().hex}"
        tried = {
            "sparkApplicationId": app_id,
            "submissionID": str(uuid.uuid4()),
            "lastSubmissionAttemptTime": now(),
            "terminationTime": None,
            "submissionAttempts": status.get("submissionAttempts", 0) + 1,
            "driverInfo": {"podName": _pod_name(application)},
        }
        try:
            create_driver(self.api, application, _pod_name(application), app_id, _parts(application, tried))
        except ApiError as error:
            message = f"failed to submit spark application: failed to create driver pod: {error}"
            self.write(
                application, tried | {"applicationState": {"state": "SUBMISSION_FAILED", "errorMessage": message}}
            )
            return
        tried |= {"executionAttempts": status.get("executionAttempts", 0) + 1}
        self.write(application, tried | {"applicationState": {"state": "SUBMITTED", "errorMessage": None}})

    def _observe(self, application: Document) -> None:
        pod = self.pod(application, _pod_name(application))
        if pod is None:
            self._state(application, "FAILING", "driver pod not found")
            return
        phase = phase_of(pod)
        if phase == "Succeeded":
            self._state(application, "SUCCEEDING")
        elif phase == "Failed":
            self._state(application, "FAILING", why(pod))
        elif phase == "Running" and _state(application) != "RUNNING":
            name = application["metadata"]["name"]
            self.write(application, {"executorState": {f"{name}-exec-1": "RUNNING"}})
            self._state(application, "RUNNING")

    def _failing(self, application: Document) -> None:
        policy, status = _policy(application), application["status"]
        said = status["applicationState"].get("errorMessage", "")
        again = policy.get("type") == "Always" or (
            policy.get("type") == "OnFailure"
            and status.get("executionAttempts", 0) <= policy.get("onFailureRetries", 0)
        )
        if not again:
            self._state(application, "FAILED", said)
        elif _since(status) >= policy.get("onFailureRetryInterval", 5):
            self._state(application, "PENDING_RERUN", said)

    def _state(self, application: Document, state: str, message: str | None = None) -> None:
        over = {"terminationTime": now()} if state in ("COMPLETED", "FAILED") else {}
        self.write(application, {"applicationState": {"state": state, "errorMessage": message}} | over)


def _parts(application: Document, tried: Document) -> dict[str, Any]:
    spec = application["spec"]
    conf, driver = dict(spec.get("sparkConf") or {}), spec["driver"]
    if "coreRequest" in driver:
        conf["spark.kubernetes.driver.request.cores"] = driver["coreRequest"]
    own = {
        "sparkoperator.k8s.io/app-name": application["metadata"]["name"],
        "sparkoperator.k8s.io/submission-id": tried["submissionID"],
    }
    return {
        "conf": conf,
        "labels": {**(driver.get("labels") or {}), **own},
        "annotations": driver.get("annotations") or {},
        "template": driver.get("template") or {},
        "executor": (spec.get("executor") or {}).get("template") or {},
        "main": spec["mainApplicationFile"],
        "main_class": spec.get("mainClass"),
        "args": spec.get("arguments") or [],
        "image": driver.get("image") or spec["image"],
        "account": driver.get("serviceAccount", "default"),
    }


def _state(application: Document) -> str:
    status = application.get("status") or {}
    return str((status.get("applicationState") or {}).get("state", ""))


def _policy(application: Document) -> Document:
    found: Document = application["spec"].get("restartPolicy") or {}
    return found


def _pod_name(application: Document) -> str:
    return f"{application['metadata']['name']}-driver"


def _since(status: Document) -> float:
    asked = datetime.fromisoformat(status["lastSubmissionAttemptTime"])
    return (datetime.now(UTC) - asked).total_seconds()
