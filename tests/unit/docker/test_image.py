# SPDX-License-Identifier: Apache-2.0
"""The job image without Docker: what the Dockerfile promises, its entry point as a user whom nobody has named, what is compared with the locks."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from airflow_dataops.core.spark_k8s.step import PROGRAM
from tests.unit.docker.scripts import DOCKER, ROOT, entrypoint, environment, instructions, last_stage, script

ENTRYPOINT = DOCKER / "spark-entrypoint.sh"
JAR = b"not a jar, but its bytes"
LOCK = f"# jars\n3.5 org.example:job:1.0 {hashlib.sha256(JAR).hexdigest()}\n"


def test_it_runs_as_nobody_in_particular() -> None:
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users[-1] == "185"  # a number, so that runAsNonRoot can be seen to hold
    assert entrypoint() == ["/opt/entrypoint.sh"]
    assert os.access(ENTRYPOINT, os.X_OK)


def test_all_that_is_copied_is_there() -> None:
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from") and not rest.startswith("dist/"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source


def test_packages_are_taken_by_their_checksums_only() -> None:
    [run] = [rest for word, rest in last_stage() if word == "RUN" and "pip install" in rest]
    assert "--require-hashes" in run
    assert all(
        "--require-hashes" in part or "--no-deps --no-index" in part
        for part in run.split("&&")
        if "pip install" in part
    )
    assert "image_contents.py" in run  # or the build would not end over a difference
    for line in ("35", "40"):
        lock = (ROOT / f"requirements/spark{line}.txt").read_text()
        assert all(
            "--hash=sha256:" in lock.split(f"\n{pin}")[1].split("\n\n")[0] for pin in ("pyspark==", "pydantic==")
        )


def test_each_line_of_spark_has_its_jars() -> None:
    jars = script("fetch_jars")
    for line in ("3.5", "4.0"):
        names = {path.rpartition("/")[2].rsplit("-", 1)[0] for path in jars.locked(DOCKER / "spark-jars.lock", line)}
        assert {"hadoop-aws", "delta-storage"} <= names


def test_the_program_of_a_step_lies_where_a_sparkapplication_looks_for_it() -> None:
    [run] = [rest for word, rest in last_stage() if word == "RUN" and "pip install" in rest]
    assert PROGRAM.removeprefix("local://") in run


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A repository of jars with one in it."""
    place = tmp_path / "repository/org/example/job/1.0"
    place.mkdir(parents=True)
    (place / "job-1.0.jar").write_bytes(JAR)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "repository")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("line", "lock", "code"),
    [("3.5", LOCK, 0), ("3.4", LOCK, 1), ("3.5", LOCK[:-9] + "00000000\n", 1)],
)
def test_a_jar_is_taken_if_it_is_what_the_lock_says(
    repository: str, tmp_path: Path, line: str, lock: str, code: int
) -> None:
    (tmp_path / "jars.lock").write_text(lock)
    arguments = [str(tmp_path / "jars.lock"), line, repository, str(tmp_path / "jars")]
    assert script("fetch_jars").main(*arguments) == code
    assert (tmp_path / "jars/job-1.0.jar").is_file() == (code == 0)


def test_a_difference_between_packages_and_lock_is_named() -> None:
    contents = script("image_contents")
    lock = "a_b==1.0 \\\n    --hash=sha256:0\nc==2\npip==1\n"
    assert contents.faults_of_packages(lock, {"a-b": "1.0", "c": "2", "pip": "9", "airflow-dataops": "0"}) == []
    assert contents.faults_of_packages(lock, {"a-b": "1.1", "d": "1"}) == [
        "c 2 is not there",
        "d 1 is not in the lock",
        "a-b is 1.1, the lock says 1.0",
    ]


def test_a_difference_between_jars_and_lock_is_named(tmp_path: Path) -> None:
    contents = script("image_contents")
    assert contents.faults_of_jars(LOCK, "3.5", tmp_path) == ["job-1.0.jar is not there"]
    (tmp_path / "job-1.0.jar").write_bytes(JAR)
    assert contents.faults_of_jars(LOCK, "3.5", tmp_path) == []
    (tmp_path / "job-1.0.jar").write_bytes(b"another")
    assert "the lock says" in contents.faults_of_jars(LOCK, "3.5", tmp_path)[0]


def test_this_environment_is_not_taken_for_the_image(tmp_path: Path) -> None:
    arguments = [
        str(DOCKER / "image_contents.py"),
        str(ROOT / "requirements/spark35.txt"),
        str(DOCKER / "spark-jars.lock"),
        "3.5",
        str(tmp_path),
    ]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pydantic" in json.loads(done.stdout)["packages"]
    assert "hadoop-aws-3.3.4.jar is not there" in done.stderr


def run_as_nobody(
    folder: Path, *words: str, env: dict[str, str] | None = None, writable: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the entry point in mounts of its own, as an arbitrary user of the group root, with a passwd of its own."""
    passwd, home = folder / "passwd", folder / "spark"
    passwd.write_text("root:x:0:0:root:/root:/bin/sh\n")
    passwd.chmod(0o664 if writable else 0o644)
    (home / "bin").mkdir(parents=True, exist_ok=True)
    (home / "bin/spark-submit").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ngetent passwd "$(id -u)"\n')
    (home / "bin/java").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    for path in (home / "bin").iterdir():
        path.chmod(0o755)
    uid = "1000700000"
    setup = f'mount --bind {passwd} /etc/passwd && exec setpriv --reuid={uid} --regid=0 --clear-groups bash {folder}/entrypoint.sh "$@"'
    shutil.copy(ENTRYPOINT, folder / "entrypoint.sh")
    variables = {**environment(), "SPARK_HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", **(env or {})}
    command = ["unshare", "-m", "sh", "-c", setup, "sh", *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may look into."""
    with tempfile.TemporaryDirectory(prefix="image-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@needs_root
def test_a_driver_of_an_arbitrary_user_is_spark_submit_with_a_name(folder: Path) -> None:
    words = ["--properties-file", "/x y", "local:///a.py", "an 'argument'"]
    done = run_as_nobody(folder, "driver", *words, env={"SPARK_DRIVER_BIND_ADDRESS": "10.0.0.7"})
    assert done.returncode == 0, done.stderr
    *told, line = done.stdout.splitlines()
    assert told == ["--conf", "spark.driver.bindAddress=10.0.0.7", "--deploy-mode", "client", *words]
    assert line.startswith("spark:x:1000700000:0:")


@needs_root
def test_where_no_name_can_be_added_it_is_said(folder: Path) -> None:
    done = run_as_nobody(folder, "true", writable=False)
    assert (done.returncode, "1000700000 has no line in /etc/passwd" in done.stderr) == (0, True)


@needs_root
def test_an_executor_gets_its_options_in_order(folder: Path) -> None:
    names = ("MEMORY", "CORES", "ID", "POD_IP", "POD_NAME")
    env = {f"SPARK_EXECUTOR_{name}": name.lower() for name in names} | {
        f"SPARK_JAVA_OPT_{n}": f"-Dn={n} x" for n in (10, 2, 0)
    }
    env |= {"SPARK_DRIVER_URL": "spark://d", "SPARK_APPLICATION_ID": "app", "SPARK_RESOURCE_PROFILE_ID": "0"}
    done = run_as_nobody(folder, "executor", env=env)
    told = done.stdout.splitlines()
    assert told[:5] == ["-Dn=0 x", "-Dn=2 x", "-Dn=10 x", "-Xmsmemory", "-Xmxmemory"], done.stderr
    assert told[told.index("--podName") + 1] == "pod_name"


@needs_root
def test_any_other_word_is_a_command(folder: Path) -> None:
    assert run_as_nobody(folder, "echo", "a b").stdout == "a b\n"
