# SPDX-License-Identifier: Apache-2.0
"""The user's own SparkApplication, laid on the one that the fields of ``app`` make.

What it says wins, as in a pod template. Where it names one of things that belong together (a pod's memory and its overhead, how many
executors), none of ours of that group stay: Spark and the operators add up what they find.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_dataops.core.spark_k8s.merge import Document, merge
from airflow_dataops.core.spark_k8s.spec import SparkApp

PROGRAMS = ("mainApplicationFile", "jars", "pyFiles", "sparkRFiles")
_KUBERNETES = "spark.kubernetes"
_DYNAMIC = "spark.dynamicAllocation"
_IMAGES = tuple(f"{_KUBERNETES}{role}.container.image" for role in ("", ".driver", ".executor"))

_GROUPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("image",), _IMAGES),
    (("imagePullPolicy",), (f"{_KUBERNETES}.container.image.pullPolicy",)),
    (("imagePullSecrets",), (f"{_KUBERNETES}.container.image.pullSecrets",)),
    (("driver.serviceAccount",), (f"{_KUBERNETES}.authenticate.driver.serviceAccountName",)),
    *(
        (
            (f"{role}.memory", f"{role}.memoryOverhead", "memoryOverheadFactor"),
            (f"spark.{role}.memory", f"spark.{role}.memoryOverhead", f"spark.{role}.memoryOverheadFactor"),
        )
        for role in ("driver", "executor")
    ),
    *(
        (
            (f"{role}.cores", f"{role}.coreRequest", f"{role}.coreLimit"),
            (f"spark.{role}.cores", f"{_KUBERNETES}.{role}.request.cores", f"{_KUBERNETES}.{role}.limit.cores"),
        )
        for role in ("driver", "executor")
    ),
    (
        ("executor.instances", "dynamicAllocation"),
        (
            "spark.executor.instances",
            f"{_DYNAMIC}.enabled",
            f"{_DYNAMIC}.minExecutors",
            f"{_DYNAMIC}.maxExecutors",
            f"{_DYNAMIC}.initialExecutors",
            f"{_DYNAMIC}.executorIdleTimeout",
            f"{_DYNAMIC}.shuffleTracking.enabled",
            f"{_DYNAMIC}.shuffleTracking.timeout",
        ),
    ),
    ((), ("spark.eventLog.enabled", "spark.eventLog.dir")),
)
_PROGRAM_FIELDS = ("type", "pythonVersion", "mainClass", *PROGRAMS)


def spec_of(app: SparkApp) -> Mapping[str, Any]:
    """Return the user's ``spec``; an empty one where there is none, or where it is no mapping."""
    found = app.application.get("spec")
    return found if isinstance(found, Mapping) else {}


def program_of(app: SparkApp) -> str | None:
    """Return the file that the user's document runs; None where it names none."""
    spec = spec_of(app)
    return next((str(spec[key]) for key in PROGRAMS if isinstance(spec.get(key), str)), None)


def has_image(app: SparkApp) -> bool:
    """Tell whether the user's document names the driver's image."""
    spec = spec_of(app)
    conf = spec.get("sparkConf")
    by_conf = isinstance(conf, Mapping) and any(key in conf for key in _IMAGES[:2])
    return by_conf or any(_at(spec, path) for path in ("image", "driver.image"))


def laid_on(made: Document, app: SparkApp) -> Document:
    """Return the spec that the fields of ``app`` make, with the user's laid on it.

    Args:
        made: The spec without the user's document.
        app: Has the document.
    """
    spec = spec_of(app)
    if not spec:
        return made
    base = merge(made, {})
    if program_of(app) is not None:
        for key in _PROGRAM_FIELDS:
            base.pop(key, None)
    conf = spec.get("sparkConf") or {}
    for fields, properties in _GROUPS:
        if any(_at(spec, path) is not None for path in fields) or any(key in conf for key in properties):
            for path in fields:
                _drop(base, path)
            for key in properties:
                base["sparkConf"].pop(key, None)
    return _with_type(merge(base, spec))


def _with_type(spec: Document) -> Document:
    """Return the spec with the type that Kubeflow's operator wants, by the end of the file's name where nothing says it."""
    file = spec.get("mainApplicationFile")
    if file is None or "type" in spec:
        return spec
    kinds = {".py": "Python", ".R": "R", ".r": "R"}
    return {**spec, "type": next((kind for end, kind in kinds.items() if str(file).endswith(end)), "Scala")}


def _at(spec: Mapping[str, Any], path: str) -> Any:
    found: Any = spec
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _drop(spec: Document, path: str) -> None:
    *parents, last = path.split(".")
    place: Any = spec
    for key in parents:
        place = place.get(key, {})
    place.pop(last, None)
