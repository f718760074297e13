# SPDX-License-Identifier: Apache-2.0
"""What passes between a task and the driver that does a step of a pipeline: one argument in, one termination message out.

Neither holds a secret: the argument has references, whose values come by the environment, see
:func:`~airflow_dataops.core.secrets.variable_of`.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_dataops.core import secrets
from airflow_dataops.core.errors import DataOpsError, SpecError

MODULE = "airflow_dataops.jobs.on_spark"
"""What the driver runs."""
PROGRAM = "local:///opt/dataops/step.py"
"""The same as a file of the image, for who cannot start a module (mode ``crd``)."""
LARGEST_ARGUMENT = 96 * 1024  # Linux takes 128 KiB in one argument
LARGEST_MESSAGE = 4096  # Kubernetes keeps so much of a termination message
_LONGEST_NAME = 200
_LONGEST = {"message": 1500, "hint": 500}


def encode(document: Mapping[str, Any]) -> str:
    """Return a step's document as one argument: a word that no shell, no Kubernetes and no scan for secrets takes for something else.

    Raises:
        SpecError: It is too large for an argument of a process (``STEP_TOO_LARGE``).
    """
    packed = base64.urlsafe_b64encode(zlib.compress(_json(document), 9)).decode()
    if len(packed) > LARGEST_ARGUMENT:
        raise SpecError(
            f"the step's document is {len(packed)} bytes packed, and an argument of a process holds {LARGEST_ARGUMENT}",
            hint="split the suite: long lists of allowed values belong into a table",
            code="STEP_TOO_LARGE",
        )
    return packed


def step_app(
    app: Mapping[str, Any], document: Mapping[str, Any], *, mode: str, program: str = PROGRAM
) -> dict[str, Any]:
    """Return the program that does a step: what the author says of images and sizes, and what is to be run with which secrets.

    Args:
        app: Document of a :class:`~airflow_dataops.core.spark_k8s.spec.SparkApp` without a program.
        document: The step, whole.
        mode: Of the target; only ``direct`` can start a module.
        program: File that starts the step in the other modes.
    """
    given = app.get("secret_env") or {}
    secret_env = {**given, **looked_up(given, document)}
    start = {"module": MODULE} if mode == "direct" else {"main": program}
    called = f"{document['run']['pipeline']}.{document['task']}"
    own = {"args": [encode(document)], "secret_env": secret_env, "result": "termination"}
    return {"name": called[:_LONGEST_NAME], **app, **start, **own}


def looked_up(secret_env: Collection[str], document: Any) -> dict[str, str]:
    """Return variable -> reference of the secrets of a step whose values go into a Secret that lives as long as the driver.

    A secret that is an environment variable's and that the program has in a Secret of the cluster comes from there, and is none of them.

    Args:
        secret_env: Variables that the program has by its author.
        document: The step, or several.
    """
    found = {}
    for name in secrets.references(document):
        known = secrets.parse(name)
        if known.kind != "env" or known.name not in secret_env:
            found[secrets.variable_of(name)] = name
    return found


def decode(text: str) -> dict[str, Any]:
    """Return the document that :func:`encode` has packed.

    Raises:
        SpecError: It is none (``JOB_SPEC_INVALID``).
    """
    try:
        found = json.loads(zlib.decompress(base64.b64decode(text, altchars=b"-_", validate=True)))
    except (binascii.Error, zlib.error, ValueError):
        found = None
    if not isinstance(found, dict):
        raise SpecError("the argument is no packed step", hint="only a task packs one", code="JOB_SPEC_INVALID")
    return found


def message_of(result: Mapping[str, Any]) -> str:
    """Return the termination message of a step that did its work; of a gate's rules it counts those that are alike.

    Args:
        result: The short document of :func:`airflow_dataops.jobs.steps.perform`.
    """
    said = dict(result)
    if "rules" in said:
        alike = Counter((rule["severity"], rule["passed"]) for rule in said["rules"])
        said["rules"] = [[severity, passed, count] for (severity, passed), count in sorted(alike.items())]
    return next(text for text in _shorter(said) if len(text.encode()) <= LARGEST_MESSAGE)


def failure_message_of(error: DataOpsError) -> str:
    """Return the termination message of a step that failed; a long text is cut, and details stay in the records."""
    said = {name: value for name, value in error.to_dict().items() if name != "details"}
    for name, longest in _LONGEST.items():
        said[name] = _cut(str(said[name]), longest) if said[name] else said[name]
    return _json({"error": said}).decode()


def read_message(text: str) -> dict[str, Any] | None:
    """Return ``{"step": …}`` or ``{"error": …}``; None where the driver left neither, such as the end of its log.

    A step's ``rules`` are spread again, one entry a rule.
    """
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    if isinstance(found.get("error"), dict):
        return {"error": found["error"]}
    said = found.get("step")
    if not isinstance(said, dict):
        return None
    if "rules" in said:
        spread = [{"severity": s, "passed": passed} for s, passed, count in said["rules"] for _ in range(count)]
        said = {**said, "rules": spread}
    return {"step": said}


def _shorter(said: dict[str, Any]) -> Iterator[str]:
    """Give the message, each time with less of what only people read."""
    yield _json({"step": said}).decode()
    reasons = list(said.get("reasons", ()))
    while reasons:
        reasons.pop()
        yield _json({"step": {**said, "reasons": reasons}}).decode()
    needed = {name: value for name, value in said.items() if name not in ("reasons", "seconds")}
    total = (said.get("seconds") or {}).get("total")
    yield _json({"step": {**needed, "seconds": {"total": total}}}).decode()
    raise SpecError("the step's result is too long for a termination message", code="RESULT_TOO_LARGE")


def _cut(text: str, longest: int) -> str:
    """Return so much of a text that its JSON has at most so many bytes."""
    while (size := len(json.dumps(text, ensure_ascii=False).encode(errors="replace"))) > longest:
        text = text[: min(len(text) - 2, len(text) * longest // size)] + "…"
    return text


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode(errors="replace")


__all__ = [
    "MODULE",
    "PROGRAM",
    "decode",
    "encode",
    "failure_message_of",
    "looked_up",
    "message_of",
    "read_message",
    "step_app",
]
