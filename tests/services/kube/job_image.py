# SPDX-License-Identifier: Apache-2.0
"""The job image without Docker: this checkout, the packages of an environment and its Python, beside an entry point of Spark's manner."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import sys
import sysconfig
from pathlib import Path

from tests.services import maven
from tests.services.kube.container import Image
from tests.services.kube.stand_in import stand_in
from tests.unit.docker.scripts import entrypoint, environment

ROOT = Path(__file__).resolve().parents[3]
PYTHON, SITE, CHECKOUT, MORE_JARS = "/opt/python", "/opt/site", "/opt/checkout", "/opt/more-jars"
CACHE = Path.home() / ".cache/airflow-dataops"
LIGHT = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"


def with_package(image: Image, site: Path | None = None) -> Image:
    """Return an image that can import this package, whoever it runs as: nothing of it lies in a home.

    Args:
        image: What it has beside that.
        site: Folder of the packages; this environment's when omitted.
    """
    packages = {
        "airflow_dataops": ROOT / "airflow_dataops",
        "dag_factories": ROOT / "dag_factories",
    }
    mounts = {PYTHON: Path(sys.base_prefix), SITE: site or Path(sysconfig.get_path("purelib"))}
    mounts |= {f"{CHECKOUT}/{name}": folder for name, folder in packages.items()}
    env = {
        **image.env,
        "PATH": f"{PYTHON}/bin:{image.env.get('PATH', '/usr/local/bin:/usr/bin:/bin')}",
        "LD_LIBRARY_PATH": f"{PYTHON}/lib",
        "PYTHONPATH": f"{CHECKOUT}:{SITE}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return dataclasses.replace(image, env=env, mounts={**image.mounts, **mounts})


def embedded(folder: Path) -> Image:
    """Return an image for steps with ``engine: duckdb``: without Spark.

    Args:
        folder: An empty folder for its files; it has to stay.
    """
    start = (ROOT / "airflow_dataops/resources/spark/step.py").read_text(encoding="utf-8")
    image = stand_in(folder, {})
    place = folder / "opt/dataops/step.py"
    place.parent.mkdir(parents=True)
    place.write_text(start)
    place.chmod(0o755)
    return with_package(image)


def missing_spark(line: str) -> str | None:
    """Return why there is no image for a line of Spark here, and what to type; None where there is."""
    if maven.java_home() is None:
        return "Spark needs Java 17: apt-get install openjdk-17-jre-headless"
    if not (site_of(line) / "pyspark").is_dir() or not _jars(line).is_dir():
        return f"needs Spark {line} and its jars: tools/spark_env.sh {line} && python3 tools/spark_jars.py {line}"
    return None


def spark(folder: Path, line: str) -> Image:
    """Return what docker/spark.Dockerfile makes, of its own entry point, variables and locks.

    Args:
        folder: An empty folder for its files; it has to stay.
        line: Line of Spark, ``3.5``; it is here (:func:`missing_spark`).
    """
    site, home = site_of(line), folder / "opt/spark"
    start = folder / entrypoint()[0].lstrip("/")
    for path in (home / "jars", home / "work-dir", folder / "opt/dataops"):
        path.mkdir(parents=True)
    shutil.copy(ROOT / "docker/spark-entrypoint.sh", start)
    shutil.copy(ROOT / "airflow_dataops/resources/spark/step.py", folder / "opt/dataops/step.py")
    for part in ("bin", "python", "sbin"):
        (home / part).symlink_to(f"{SITE}/pyspark/{part}")
    for place, jars in ((f"{SITE}/pyspark/jars", site / "pyspark/jars"), (MORE_JARS, _jars(line))):
        for jar in jars.glob("*.jar"):
            (home / "jars" / jar.name).symlink_to(f"{place}/{jar.name}")
    java = str(maven.java_home())
    env = {**environment(), "JAVA_HOME": java, "PATH": f"{java}/bin:/usr/bin:/bin", "JAVA_TOOL_OPTIONS": LIGHT}
    image = Image(
        tuple(entrypoint()), env=env, root=folder, mounts={MORE_JARS: _jars(line)}, folder="/opt/spark/work-dir"
    )
    return with_package(image, site)


def site_of(line: str) -> Path:
    """Return the folder of the packages of a line of Spark, as tools/spark_env.sh makes it."""
    lock = ROOT / f"requirements/spark{line.replace('.', '')}-test.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:10] if lock.is_file() else ""
    name = f"spark{line.replace('.', '')}-{digest}"
    return CACHE / "venvs" / name / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def _jars(line: str) -> Path:
    return CACHE / "jars" / f"spark-{line}"
