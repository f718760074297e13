# SPDX-License-Identifier: Apache-2.0
"""Definitions of SparkApplication of both operators, as their documentation tells: field by field, and whatever is a part of a pod is open.

A field that the documentation does not have is refused by a request with ``fieldValidation=Strict``.
"""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.services.kube.accounts import until
from tests.services.kube.api import Api, ApiError

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "format": "int32"}
LONG: Schema = {"type": "integer", "format": "int64"}
TIME: Schema = {"type": "string", "format": "date-time", "nullable": True}
OPEN: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
_PLACE = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _object(*required: str, **fields: Schema) -> Schema:
    found: Schema = {"type": "object", "properties": fields}
    return found | ({"required": list(required)} if required else {})


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _at_least(kind: Schema, least: int) -> Schema:
    return kind | {"minimum": least}


def _kubeflow_pod(**more: Schema) -> Schema:
    port = _object("name", "protocol", "containerPort", name=TEXT, protocol=TEXT, containerPort=COUNT)
    secret = _object("name", "path", "secretType", name=TEXT, path=TEXT, secretType=TEXT)
    return _object(
        template=OPEN,
        cores=_at_least(COUNT, 1),
        coreLimit=TEXT,
        coreRequest=TEXT,
        memory=TEXT,
        memoryOverhead=TEXT,
        gpu=_object("name", "quantity", name=TEXT, quantity=LONG),
        image=TEXT,
        configMaps=_list(_object("name", "path", name=TEXT, path=TEXT)),
        secrets=_list(secret),
        env=_list(OPEN),
        envVars=TEXTS,
        envFrom=_list(OPEN),
        envSecretKeyRefs={
            "type": "object",
            "additionalProperties": _object("name", "key", name=TEXT, key=TEXT),
        },
        labels=TEXTS,
        annotations=TEXTS,
        volumeMounts=_list(OPEN),
        affinity=OPEN,
        tolerations=_list(OPEN),
        podSecurityContext=OPEN,
        securityContext=OPEN,
        schedulerName=TEXT,
        sidecars=_list(OPEN),
        initContainers=_list(OPEN),
        hostNetwork=FLAG,
        nodeSelector=TEXTS,
        dnsConfig=OPEN,
        terminationGracePeriodSeconds=LONG,
        serviceAccount=TEXT,
        hostAliases=_list(OPEN),
        shareProcessNamespace=FLAG,
        runtimeClassName=TEXT,
        javaOptions=TEXT,
        lifecycle=OPEN,
        ports=_list(port),
        priorityClassName=TEXT,
        **more,
    )


def _kubeflow_spec() -> Schema:
    driver = _kubeflow_pod(podName=TEXT, kubernetesMaster=TEXT, serviceAnnotations=TEXTS, serviceLabels=TEXTS)
    executor = _kubeflow_pod(instances=_at_least(COUNT, 1), deleteOnTermination=FLAG)
    lists = ("jars", "files", "pyFiles", "packages", "excludePackages", "repositories", "archives")
    service = {"servicePort": COUNT, "servicePortName": TEXT, "serviceType": TEXT, "serviceAnnotations": TEXTS}
    service |= {"serviceLabels": TEXTS, "ingressAnnotations": TEXTS, "ingressTLS": _list(OPEN)}
    return _object(
        *("type", "sparkVersion", "mainApplicationFile", "driver", "executor"),
        type=_one_of("Java", "Python", "Scala", "R"),
        sparkVersion=TEXT,
        mode=_one_of("cluster", "client"),
        proxyUser=TEXT,
        image=TEXT,
        imagePullPolicy=TEXT,
        imagePullSecrets=_list(TEXT),
        mainClass=TEXT,
        mainApplicationFile=TEXT,
        arguments=_list(TEXT),
        sparkConf=TEXTS,
        hadoopConf=TEXTS,
        sparkConfigMap=TEXT,
        hadoopConfigMap=TEXT,
        volumes=_list(OPEN),
        driver=driver,
        executor=executor,
        deps=_object(**dict.fromkeys(lists, _list(TEXT))),
        restartPolicy=_object(
            type=_one_of("Never", "Always", "OnFailure"),
            onSubmissionFailureRetries=_at_least(COUNT, 0),
            onFailureRetries=_at_least(COUNT, 0),
            onSubmissionFailureRetryInterval=_at_least(LONG, 1),
            onFailureRetryInterval=_at_least(LONG, 1),
        ),
        nodeSelector=TEXTS,
        failureRetries=COUNT,
        retryInterval=LONG,
        pythonVersion=_one_of("2", "3"),
        memoryOverheadFactor=TEXT,
        monitoring=_object(
            *("exposeDriverMetrics", "exposeExecutorMetrics"),
            exposeDriverMetrics=FLAG,
            exposeExecutorMetrics=FLAG,
            metricsProperties=TEXT,
            metricsPropertiesFile=TEXT,
            prometheus=_object(
                "jmxExporterJar", jmxExporterJar=TEXT, port=COUNT, portName=TEXT, configFile=TEXT, configuration=TEXT
            ),
        ),
        batchScheduler=TEXT,
        timeToLiveSeconds=LONG,
        batchSchedulerOptions=_object(queue=TEXT, priorityClassName=TEXT, resources=OPEN),
        sparkUIOptions=_object(**service),
        driverIngressOptions=_list(_object("servicePort", "servicePortName", ingressURLFormat=TEXT, **service)),
        dynamicAllocation=_object(
            enabled=FLAG, initialExecutors=COUNT, minExecutors=COUNT, maxExecutors=COUNT, shuffleTrackingTimeout=LONG
        ),
    )


def _kubeflow_status() -> Schema:
    ui = ("webUIServiceName", "webUIAddress", "webUIIngressName", "webUIIngressAddress", "podName")
    return _object(
        "driverInfo",
        sparkApplicationId=TEXT,
        submissionID=TEXT,
        lastSubmissionAttemptTime=TIME,
        terminationTime=TIME,
        driverInfo=_object(webUIPort=COUNT, **dict.fromkeys(ui, TEXT)),
        applicationState=_object("state", state=TEXT, errorMessage=TEXT),
        executorState=TEXTS,
        executionAttempts=COUNT,
        submissionAttempts=COUNT,
    )


def _apache_spec() -> Schema:
    restart = ("maxRestartAttempts", "restartBackoffMillis", "restartCounterResetMillis", "maxRestartOnFailure")
    waits = ("driverStartTimeoutMillis", "driverReadyTimeoutMillis", "executorStartTimeoutMillis")
    waits += ("forceTerminationGracePeriodMillis", "terminationRequeuePeriodMillis")
    policies = _one_of("Always", "Never", "OnFailure", "OnInfrastructureFailure")
    return _object(
        "runtimeVersions",
        sparkConf=TEXTS,
        mainClass=TEXT,
        runtimeVersions=_object("sparkVersion", sparkVersion=TEXT, scalaVersion=TEXT, jdkVersion=TEXT),
        jars=TEXT,
        pyFiles=TEXT,
        sparkRFiles=TEXT,
        files=TEXT,
        deploymentMode=_one_of("ClusterMode", "ClientMode"),
        proxyUser=TEXT,
        driverArgs=_list(TEXT),
        applicationTolerations=_object(
            restartConfig=_object(restartPolicy=policies, **dict.fromkeys(restart, LONG)),
            applicationTimeoutConfig=_object(**dict.fromkeys(waits, LONG)),
            instanceConfig=_object(initExecutors=LONG, minExecutors=LONG, maxExecutors=LONG),
            resourceRetainPolicy=_one_of("Always", "Never", "OnFailure"),
            resourceRetainDurationMillis=LONG,
            ttlAfterStopMillis=LONG,
        ),
        driverSpec=_object(podTemplateSpec=OPEN),
        executorSpec=_object(podTemplateSpec=OPEN),
        driverServiceIngressList=_list(
            _object(serviceMetadata=OPEN, serviceSpec=OPEN, ingressMetadata=OPEN, ingressSpec=OPEN)
        ),
        configMapSpecs=_list(_object("name", name=TEXT, labels=TEXTS, annotations=TEXTS, data=TEXTS)),
    )


def _apache_status() -> Schema:
    state = _object(currentStateSummary=TEXT, lastTransitionTime=TEXT, message=TEXT, lastObservedDriverStatus=OPEN)
    states = {"type": "object", "additionalProperties": state}
    attempt = _object(attemptInfo=_object(id=LONG), stateTransitionHistory=states)
    return _object(
        currentState=state,
        stateTransitionHistory=states,
        previousAttemptSummary=attempt,
        currentAttemptSummary=attempt,
    )


def definition(api: ApplicationApi) -> dict[str, Any]:
    """Return the CustomResourceDefinition of one of the two."""
    group, _, version = api.value.partition("/")
    kubeflow = api is ApplicationApi.KUBEFLOW
    spec = _kubeflow_spec() if kubeflow else _apache_spec()
    status = _kubeflow_status() if kubeflow else _apache_status()
    schema = _object(spec=spec, status=status)
    # A group of *.k8s.io needs the word of those who own that domain.
    notes = {"api-approved.kubernetes.io": "unapproved, for tests"} if kubeflow else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"sparkapplications.{group}", "annotations": notes},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "SparkApplication", "plural": "sparkapplications", "singular": "sparkapplication"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def install(api: Api, *kinds: ApplicationApi, wait: bool = True) -> None:
    """Install definitions that are not there; with ``wait`` returns when their objects can be listed, about 2 seconds later."""
    for kind in kinds:
        try:
            api("POST", _PLACE, definition(kind))
        except ApiError as error:
            if error.status != 409:
                raise
    for kind in kinds if wait else ():
        until(lambda kind=kind: api.get(f"/apis/{kind.value}/sparkapplications"))  # type: ignore[misc]


def remove(api: Api, kind: ApplicationApi) -> None:
    """Remove a definition with all its objects; returns when it is gone."""
    group = kind.value.partition("/")[0]
    if api.get(f"{_PLACE}/sparkapplications.{group}"):
        api("DELETE", f"{_PLACE}/sparkapplications.{group}")
    until(lambda: api.get(f"{_PLACE}/sparkapplications.{group}") is None)
    until(lambda: api.get(f"/apis/{kind.value}/sparkapplications") is None)
