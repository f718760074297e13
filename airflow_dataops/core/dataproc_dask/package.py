# SPDX-License-Identifier: Apache-2.0
"""What may go into the environment of a cluster's nodes, and under which name it lies in the bucket."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.errors import SpecError

MANIFEST = "dataops-env.json"
SITE = "site-packages"
# Dataproc images whose Python this package runs on.
IMAGE_PYTHON = {"2.2": "3.11", "2.3": "3.11"}
PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "aarch64": "aarch64-manylinux_2_28"}
NEEDED = ("dask", "distributed", "google-cloud-storage", "pydantic")
OWN = "airflow-dataops"

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*(?P<version>[^\s;,]+)|@\s*(?P<url>\S+))\s*(?:;.*)?$"
)
_FOREIGN = re.compile(r"(^|-)airflow(-|$)")


@dataclass(frozen=True)
class Pin:
    """One package of a lock.

    Attributes:
        name: Its name, in the form that compares.
        version: Its version, or the address that it comes from.
        line: Where it stands, from 1.
    """

    name: str
    version: str
    line: int


def read_lock(text: str, where: str = "lock") -> list[Pin]:
    """Return what a lock pins: the output of ``uv pip compile``, ``uv export`` or ``pip freeze``.

    Args:
        text: The lock.
        where: Its path, for messages.

    Raises:
        SpecError: A line is no pin (``LOCK_INVALID``), Airflow is in it (``LOCK_HAS_AIRFLOW``), or the driver could not run
            (``LOCK_INCOMPLETE``).
    """
    pins = [_pin(line, number, where) for number, line in _lines(text)]
    for pin in pins:
        if pin.name != OWN and _FOREIGN.search(pin.name):
            raise SpecError(
                f"{where}:{pin.line}: {pin.name} {pin.version} does not belong on a cluster: Airflow stays where it schedules",
                hint="lock the environment from requirements of its own: uv pip compile dask.in -o dask.lock",
                code="LOCK_HAS_AIRFLOW",
            )
    missing = [name for name in NEEDED if name not in {pin.name for pin in pins}]
    if missing:
        raise SpecError(
            f"{where} has no {', '.join(missing)}, without which no driver runs",
            hint=f"write `{OWN}[dask]` and `google-cloud-storage` into the requirements, and lock them again",
            code="LOCK_INCOMPLETE",
        )
    return pins


def python_of(image: str) -> str:
    """Return the Python of a Dataproc image, ``2.2-debian12`` -> ``3.11``.

    Raises:
        SpecError: It has one on which this package does not run, or is not known (``IMAGE_UNKNOWN``).
    """
    found = IMAGE_PYTHON.get(".".join(image.partition("-")[0].split(".")[:2]))
    if found is None:
        known = ", ".join(sorted(IMAGE_PYTHON))
        raise SpecError(
            f"image {image!r} is not known; known are {known}",
            hint="say which Python it has: --python 3.11",
            code="IMAGE_UNKNOWN",
        )
    return found


def manifest(pins: Sequence[Pin], *, python: str, platform: str, own_version: str) -> bytes:
    """Return the file that says what an environment is made of; the initialization action reads its Python."""
    packages = {pin.name: pin.version for pin in pins if pin.name != OWN} | {OWN: own_version}
    document = {"schema_version": 1, "python": python, "platform": platform, "packages": packages}
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def belongs(parts: Sequence[str]) -> bool:
    """Tell whether an installed file is part of an environment: not what names the installer, the machine or the moment.

    Args:
        parts: The path below ``site-packages``.
    """
    name = parts[-1]
    if "__pycache__" in parts or name.endswith((".pyc", ".pyo")) or parts[0] in ("bin", ".lock"):
        return False
    in_info = len(parts) == 2 and parts[0].endswith(".dist-info")
    return not (in_info and name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"))


def is_code(parts: Sequence[str]) -> bool:
    """Tell whether a file of a project's folder is code for a job: nothing hidden, compiled or of a virtual environment."""
    if any(part.startswith(".") or part in ("__pycache__", "venv", "node_modules") for part in parts):
        return False
    return not parts[-1].endswith((".pyc", ".pyo"))


def uri(bucket: str, kind: str, digest: str, suffix: str) -> str:
    """Return where something with this content lies; ``kind`` is ``env``, ``code`` or ``init``."""
    name = bucket.removeprefix("gs://").rstrip("/")
    return f"gs://{name}/dataops/{kind}/{digest}{suffix}"


def digest_of(chunks: Iterable[bytes]) -> str:
    """Return the SHA-256 of a content, in hex."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def settings_of(environment: str | None, code: str | None, init: str | None) -> dict[str, Any]:
    """Return what is to stand in ``dataops.yaml``, in the target's ``dask``."""
    found: dict[str, Any] = {}
    if environment is not None:
        found["environment_uri"] = environment
    if code is not None:
        found["code_uris"] = [code]
    if init is not None:
        found["init_actions"] = [{"uri": init}]
    return found


def _lines(text: str) -> list[tuple[int, str]]:
    """Join continued lines, and drop comments and the options that locks have."""
    found: list[tuple[int, str]] = []
    begun, whole = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        begun = begun or number
        if line.endswith("\\"):
            whole += line[:-1] + " "
            continue
        whole = re.sub(r"\s--hash=\S+", "", f"{whole}{line} ").strip()
        if whole and not whole.startswith(("--index-url", "--extra-index-url", "--hash")):
            found.append((begun, whole))
        begun, whole = 0, ""
    return found


def _pin(line: str, number: int, where: str) -> Pin:
    match = _PIN.match(line)
    if match is None:
        raise SpecError(
            f"{where}:{number}: {line!r} is no pin; a lock has lines such as dask==2026.8.0",
            hint="write the lock with `uv pip compile dask.in -o dask.lock`",
            code="LOCK_INVALID",
        )
    name = re.sub(r"[-_.]+", "-", match["name"]).lower()
    return Pin(name, match["version"] or match["url"], number)


__all__ = [
    "IMAGE_PYTHON",
    "MANIFEST",
    "PLATFORMS",
    "SITE",
    "Pin",
    "belongs",
    "digest_of",
    "is_code",
    "manifest",
    "python_of",
    "read_lock",
    "settings_of",
    "uri",
]
