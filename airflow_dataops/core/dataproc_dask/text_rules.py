# SPDX-License-Identifier: Apache-2.0
"""Rules for the texts of a run: the forms of names, and secrets where everybody sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.secrets import has_a_password, is_name_in_secret_manager, names_a_secret

MOST_LABELS = 32
OWN_LABELS = 8
OWN_PREFIX = "dataops-"

_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_JOB_NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")
_PROPERTY = re.compile(r"[a-z][a-z0-9-]*:\S+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def secret_rules(run: RunParts) -> Iterator[Fault]:
    """Yield secrets in what Google and Airflow show to whoever may look; no message repeats one."""
    cluster, job = run.cluster, run.job
    maps = {f"cluster.{name}": getattr(cluster, name) for name in ("metadata", "labels", "properties")}
    maps["job.properties"] = {} if job is None else job.properties
    for path, values in maps.items():
        for name, value in values.items():
            if _is_secret(name, value):
                message = (
                    f"{name} is or holds a secret; Google shows {path.partition('.')[2]} in its console, and Airflow keeps them in its "
                    "database and shows them on the task's page"
                )
                hint = (
                    "write the secret's name, projects/P/secrets/NAME; an initialization action or the function reads it from Secret "
                    "Manager, as the account of the machines"
                )
                yield Fault(f"{path}.{name}", "SECRET_IN_FILE", message, hint)


def _is_secret(name: str, value: str) -> bool:
    named = names_a_secret(name.replace(".", "_").replace(":", "_"))
    known = not value or value.lower() in ("true", "false") or is_name_in_secret_manager(value)
    return (named and not known) or has_a_password(value)


def label_rules(run: RunParts) -> Iterator[Fault]:
    """Yield labels and properties that Google would not take, or that are ours."""
    for key, value in run.cluster.labels.items():
        path = f"cluster.labels.{key}"
        valid = "1 to 63 of a-z, 0-9, _ and -, a letter first"
        yield from of_form(path, "BAD_LABEL_KEY", key, _LABEL_KEY, valid, f"write {as_name(key, 63)}")
        if not _is_secret(key, value):  # a message shows the value
            yield from of_form(
                path,
                "BAD_LABEL_VALUE",
                value,
                _LABEL_VALUE,
                "at most 63 of a-z, 0-9, _ and -",
                f"write {as_name(value, 63)}",
            )
        if key == "managed-by" or key.startswith((OWN_PREFIX, "goog-")):
            yield Fault(
                path,
                "RESERVED_LABEL",
                f"managed-by and labels that start with {OWN_PREFIX} or goog- are not yours to set",
                "choose another name",
            )
    if len(run.cluster.labels) > MOST_LABELS - OWN_LABELS:
        message = f"{len(run.cluster.labels)} labels; a cluster has {MOST_LABELS}, and {OWN_LABELS} of them are ours"
        yield Fault("cluster.labels", "TOO_MANY_LABELS", message, f"keep {MOST_LABELS - OWN_LABELS} of them")
    for name in run.cluster.properties:
        valid = "prefix:name, such as spark:spark.executor.memory"
        yield from of_form(
            f"cluster.properties.{name}",
            "BAD_PROPERTY",
            name,
            _PROPERTY,
            valid,
            f"write spark:{name}, if it is Spark's",
        )


def job_rules(run: RunParts) -> Iterator[Fault]:
    """Yield what no driver could be started with."""
    job = run.job
    if job is None:
        return
    valid = "1 to 30 of a-z, 0-9 and -, a letter first"
    yield from of_form("job.name", "BAD_JOB_NAME", job.name, _JOB_NAME, valid, f"write {as_name(job.name, 30)}")
    yield from of_form(
        "job.function",
        "BAD_FUNCTION",
        job.function,
        _FUNCTION,
        "module:function, such as flights.delays:by_carrier",
        "name the function that the driver is to call by its module, not its file",
    )
    yield from of_form(
        "job.spec_hash",
        "BAD_HASH",
        job.spec_hash,
        _SHA256,
        "64 hex digits in small letters",
        "sha256sum of the document",
    )
    if (job.spec_uri is None) != (job.spec_hash is None):
        yield Fault(
            "job.spec_uri",
            "HASH_WITHOUT_SPEC",
            "spec_uri and spec_hash come together: the driver compares them",
            "give both, or none",
        )
    try:
        json.dumps(job.args, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield Fault(
            "job.args",
            "ARGS_NOT_JSON",
            f"not JSON: {error}",
            "give texts, numbers, true, false, null, lists and mappings",
        )


def of_form(path: str, code: str, value: str | None, form: re.Pattern[str], valid: str, hint: str) -> Iterator[Fault]:
    """Yield a fault where a text that is given has not the form; ``valid`` says which one, ``hint`` what to type."""
    if value is not None and form.fullmatch(value) is None:
        message = f"{value!r} is not {valid}" if ":" in valid or "/" in valid else f"{value!r}: {valid}"
        yield Fault(path, code, message, hint)


def as_name(text: str, longest: int) -> str:
    """Return the nearest name of small letters, digits and ``-`` that begins with a letter."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")
    return plain[:longest].strip("-") or "a-name"
