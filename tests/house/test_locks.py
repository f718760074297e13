# SPDX-License-Identifier: Apache-2.0
"""The locks fit pyproject.toml, name no host, and carry a hash for everything."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import PACKAGES, ROOT, sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
_METADATA = ("kafka", "kafka-bastion", "metadata", "metadata-client", "mongo", "msk")
_SHELL_EXTRAS = ("airflow", "composer", "dask", "gcp", "gx", "kafka-health", "openlineage", "s3", *_METADATA)
SHELL = [*BASE, *(line for extra in _SHELL_EXTRAS for line in EXTRAS[extra]), *GROUPS["build"], *GROUPS["test"]]
WANTED = {
    "airflow3": [*SHELL, *EXTRAS["yarn"], *GROUPS["lint"], *GROUPS["docs"], *GROUPS["fuzz"]],
    "airflow2": SHELL,
    "demo": [*BASE, *EXTRAS["airflow"], *GROUPS["build"]],
    "base": BASE,
    "metadata": [*BASE, *(line for extra in ("kafka", "metadata", "mongo", "s3") for line in EXTRAS[extra])],
    "lowest": [*BASE, *EXTRAS["dask"], *EXTRAS["gcp"], *EXTRAS["s3"], *GROUPS["build"], *GROUPS["test"]],
}
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, set[str]]:
    """Return package -> locked versions; there are several where they differ by Python or platform."""
    found: dict[str, set[str]] = {}
    for package, version in PIN.findall(lock(name)):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_satisfies_the_project(name: str) -> None:
    locked = pins(name)
    for requirement in map(Requirement, WANTED[name]):
        if requirement.name == PROJECT["project"]["name"] or not (
            requirement.marker is None or requirement.marker.evaluate()
        ):
            continue
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not in {name}.txt: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("name", ["demo", "base", "metadata"])
def test_a_smaller_environment_has_the_versions_of_the_main_one(name: str) -> None:
    main = pins("airflow3")
    assert {
        package: versions for package, versions in pins(name).items() if not versions <= main.get(package, set())
    } == {}


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_no_host_is_named(path: Path) -> None:
    assert "://" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WANTED)
def test_every_pin_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", lock(name).strip())
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("requirement", [*BASE, *(line for lines in EXTRAS.values() for line in lines)])
def test_a_dependency_has_a_lower_bound(requirement: str) -> None:
    parsed = Requirement(requirement)
    assert parsed.name == "airflow-dataops" or any(spec.operator in {">=", "~=", "=="} for spec in parsed.specifier)


def test_every_base_dependency_is_used_and_no_other_package() -> None:
    code = "\n".join((ROOT / path).read_text(encoding="utf-8") for path in sources(*PACKAGES))
    imported = set(re.findall(r"^ *(?:from|import) ([A-Za-z0-9_]+)", code, re.MULTILINE)) - sys.stdlib_module_names
    base = {Requirement(line).name.replace("pyyaml", "yaml") for line in BASE}
    assert base - imported == {"tzdata"}  # data, read by zoneinfo
    # Airflow brings what only its shell imports; markupsafe and pydantic_core belong to jinja2 and pydantic; the last are of extras.
    assert imported - base - set(PACKAGES) <= {
        "airflow",
        "asgiref",
        "markupsafe",
        "openlineage",
        "pendulum",
        "pydantic_core",
        "flask",
        *(
            "aiohttp",
            "asyncssh",
            "bson",
            "confluent_kafka",
            "distributed",
            "fastapi",
            "fsspec",
            "google",
            "kafka",
            "prometheus_client",
            "py4j",
            "pymongo",
        ),
        *("aws_msk_iam_sasl_signer", "botocore", "pyspark", "starlette", "urllib3", "uvicorn"),
    }
