# SPDX-License-Identifier: Apache-2.0
"""An image that looks like Spark's from outside: its entry point takes Spark's arguments, and runs the program with plain Python."""

from __future__ import annotations

from pathlib import Path

from tests.services.kube.container import Image

PATTERN = "stand-in/*"
# `driver --properties-file … local:///path args…`: whatever comes before the program is for spark-submit.
ENTRYPOINT = """#!/bin/sh
test "$1" = driver || exit 2
while ! [ "${1#local://}" != "$1" ]; do
  [ $# -gt 1 ] || { echo "no program" >&2; exit 2; }
  shift
done
program=${1#local://}
shift
test -r "$SPARK_CONF_DIR/spark.properties" || test -r /opt/spark/conf/spark.properties || exit 3
exec python3 -u "$program" "$@"
"""


def stand_in(folder: Path, programs: dict[str, str]) -> Image:
    """Return the image, with these programs in ``/opt/app``.

    Args:
        folder: An empty folder for its files; it has to stay.
        programs: Name -> text.
    """
    files = {"opt/entrypoint.sh": ENTRYPOINT, **{f"opt/app/{name}": text for name, text in programs.items()}}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)  # whoever the container runs as
    return Image(entrypoint=("/opt/entrypoint.sh",), root=folder)
