# SPDX-License-Identifier: Apache-2.0
"""Build what the nodes of a Dask cluster need, and put it into a bucket.

The environment is a tarball of what a lock pins, for the nodes' Python and platform, and of this very version of airflow-dataops. Airflow
is never in it. The code is a zip of a folder of modules, without what is hidden and without a lake of dataops.yaml. Both are named by their
content: what is in the bucket already is not sent again, and two builds of the same lock are the same bytes. The nodes need no internet.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

EXAMPLES = """\
write a lock once:
  printf 'airflow-dataops[dask]\\ngoogle-cloud-storage\\npandas\\n' > dask.in
  uv pip compile dask.in --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes -o dask.lock

examples:
  dataops package --lock dask.lock --code src --bucket my-bucket      build, upload, print what to put into dataops.yaml
  dataops package --lock dask.lock --code src --bucket my-bucket --dry-run
  dataops package --code src --bucket my-bucket                       the code only: seconds, after each change
  dataops package --lock dask.lock --out build/                       build and keep the files, upload nothing

exit status: 0 done, 1 a lock or a folder cannot be packed, or a bucket does not take it, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--lock", type=Path, metavar="FILE", help="pinned requirements of the environment")
    parser.add_argument("--code", type=Path, metavar="FOLDER", help="folder with the modules of the jobs' functions")
    parser.add_argument(
        "--bucket", type=_bucket, metavar="NAME", help="bucket to upload to, below dataops/{env,code,init}/"
    )
    parser.add_argument("--project", default="", help="project of the bucket (default: that of your credentials)")
    parser.add_argument("--image", default="2.2-debian12", help="Dataproc image of the nodes (default: %(default)s)")
    parser.add_argument("--python", type=_python, metavar="X.Y", help="Python of the nodes (default: the image's)")
    parser.add_argument(
        "--platform", choices=["x86_64", "aarch64"], default="x86_64", help="of the nodes (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep what is built here")
    parser.add_argument(
        "--dry-run", action="store_true", help="check the lock and the code; install and upload nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the settings as JSON instead of YAML")


def run(arguments: argparse.Namespace) -> int:
    """Build and upload, and return the exit status."""
    from airflow_dataops.clients import package as work
    from airflow_dataops.core.dataproc_dask import package as rules

    if arguments.lock is None and arguments.code is None:
        print("dataops package: nothing to do; give --lock FILE, --code FOLDER, or both", file=sys.stderr)
        return 2
    if arguments.bucket is None and arguments.out is None and not arguments.dry_run:
        print("dataops package: where to? give --bucket NAME, --out FOLDER, or --dry-run", file=sys.stderr)
        return 2
    python = arguments.python or rules.python_of(arguments.image)
    with tempfile.TemporaryDirectory(prefix="dataops-package-") as scratch:
        folder = Path(scratch, "out") if arguments.out is None or arguments.dry_run else arguments.out
        folder.mkdir(parents=True, exist_ok=True)
        built = []
        if arguments.lock is not None and arguments.dry_run:
            pins = rules.read_lock(work.read_text(arguments.lock), str(arguments.lock))
            say(f"would install {len(pins)} packages for Python {python} on {arguments.platform}")
            say("environment_uri is named by what is installed, so it is known when that is built")
        elif arguments.lock is not None:
            built.append(
                work.build_environment(
                    arguments.lock, folder, python=python, platform=arguments.platform, work=Path(scratch), say=say
                )
            )
        if arguments.code is not None:
            built.append(work.build_code(arguments.code, folder, say=say, without=_lakes(arguments.code)))
        if arguments.lock is not None:
            built.append(work.init_script(None if arguments.out is None or arguments.dry_run else folder))
        return _hand_out(arguments, built)


def _hand_out(arguments: argparse.Namespace, built: list[Any]) -> int:
    from airflow_dataops.clients import package as work
    from airflow_dataops.core.dataproc_dask import package as rules

    if arguments.bucket is None:
        for one in built if not arguments.dry_run else ():
            say(f"{one.kind}: {one.path}")
        return 0
    if arguments.dry_run:
        uris = {one.kind: rules.uri(arguments.bucket, one.kind, one.digest, one.suffix) for one in built}
        for uri in uris.values():
            say(f"would upload {uri}, unless it is there")
    else:
        store = _store(arguments.project)
        uris = {one.kind: work.publish(one, arguments.bucket, store, say=say) for one in built}
    settings = rules.settings_of(uris.get("env"), uris.get("code"), uris.get("init"))
    print(json.dumps(settings, indent=2) if arguments.json else _yaml(settings))
    return 0


def say(line: str) -> None:
    """Tell a person what is done; stdout is for the settings."""
    print(line, file=sys.stderr)


def _lakes(code: Path) -> set[Path]:
    """Return the lakes of the project that lie below the folder: tables are not code, and each worker would get them."""
    from dag_factories.pipeline import load_project

    project = load_project(code).project
    roots = [] if project.file is None else [target.lake for target in project.spec.targets.values()]
    found = {Path(project.absolute(lake)).resolve() for lake in roots if "${" not in lake and "://" not in lake}
    return {lake for lake in found if code.resolve() in lake.parents}


def _bucket(text: str) -> str:
    from airflow_dataops.core.dataproc_dask.rules import BUCKET

    name = text.removeprefix("gs://").rstrip("/")
    if BUCKET.fullmatch(name) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a bucket; write my-bucket")
    return name


def _python(text: str) -> str:
    if re.fullmatch(r"3\.\d{1,2}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no version of Python; write 3.11")
    return text


def _store(project: str) -> Any:
    from airflow_dataops.clients.gcs import Gcs
    from airflow_dataops.clients.google import GoogleSettings

    return Gcs(GoogleSettings(project=project, region=""))


def _yaml(settings: dict[str, Any]) -> str:
    lines = ["# in dataops.yaml, targets.NAME.dask: for all of its shapes"]
    for key, value in settings.items():
        lines.append(f"{key}: {json.dumps(value) if isinstance(value, list) else value}")
    return "\n".join(lines)
