# SPDX-License-Identifier: Apache-2.0
"""A real Knox, for tests: the proxy behind Dataproc's Component Gateway, its jars by Maven, on the loopback only and without TLS."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.services import maven
from tests.services.ports import free_port

KNOX = "1.6.1"
JARS = maven.CACHE / f"knox-{KNOX}"
ARTIFACTS = tuple(
    f"org.apache.knox:{name}:{KNOX}"
    for name in (
        "gateway-server",
        "gateway-provider-rewrite",
        "gateway-provider-rewrite-func-hostmap-static",
        "gateway-provider-rewrite-func-inbound-query-param",
        "gateway-provider-rewrite-func-service-registry",
        "gateway-provider-security-webappsec",
        "gateway-provider-security-authc-anon",
        "gateway-provider-security-authz-acls",
        "gateway-provider-identity-assertion-common",
        "gateway-provider-identity-assertion-pseudo",
        "gateway-provider-ha",
        "gateway-topology-simple",
        "gateway-topology-hadoop-xml",
    )
)
TOPOLOGY = """<?xml version="1.0" encoding="UTF-8"?>
<topology>
  <gateway>
    <provider><role>authentication</role><name>Anonymous</name><enabled>true</enabled></provider>
    <provider><role>identity-assertion</role><name>Default</name><enabled>true</enabled></provider>
  </gateway>
  <service><role>YARNUI</role><url>http://localhost:8088</url></service>
</topology>
"""
SECRET = "of-the-test"
_OPENS = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.lang", "java.util", "java.net", "java.io")]
_LIGHT = ["-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def missing() -> str | None:
    """Return why Knox cannot be started here, and what to install; None where it can."""
    return maven.missing("real Knox", JARS)


class Knox:
    """One gateway, laid out as on a Dataproc machine, with a topology ``default``.

    Args:
        root: What stands for the machine's root folder.
    """

    def __init__(self, root: Path) -> None:
        self.home, self.conf, self.port = root / "usr/lib/knox", root / "etc/knox/conf", free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for folder in (self.home / "data/services", self.home / "data/deployments", self.conf / "topologies"):
            folder.mkdir(parents=True)
        for name in ("descriptors", "shared-providers"):
            (self.conf / name).mkdir()
        (self.home / "conf").symlink_to(self.conf)
        (self.conf / "topologies/default.xml").write_text(TOPOLOGY)
        values = {"port": self.port, "host": "127.0.0.1", "path": "gateway"}
        listed = "".join(
            f"<property><name>gateway.{key}</name><value>{values[key]}</value></property>" for key in values
        )
        plain = "<property><name>ssl.enabled</name><value>false</value></property>"
        (self.conf / "gateway-site.xml").write_text(f"<configuration>{listed}{plain}</configuration>")

    def start(self) -> None:
        """Start it, and return when it listens.

        Raises:
            RuntimeError: It does not come up.
        """
        # The distribution says in its launcher which services there are.
        services = self.home / "launcher/META-INF/services/org.apache.knox.gateway.services.GatewayServices"
        services.parent.mkdir(parents=True)
        services.write_text("org.apache.knox.gateway.services.DefaultGatewayServices\n")
        self._java("org.apache.knox.gateway.util.KnoxCLI", "create-master", "--master", SECRET).wait(120)
        self._key()
        self._process = self._java("org.apache.knox.gateway.GatewayServer")
        end = time.monotonic() + 180
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.3)
        self.stop()
        raise RuntimeError(f"Knox did not start:\n{(self.home / 'out').read_text()[-3000:]}")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _key(self) -> None:
        store = self.home / "data/security/keystores/gateway.jks"
        store.parent.mkdir(parents=True, exist_ok=True)
        command = [f"{maven.java_home()}/bin/keytool", "-genkeypair", "-alias", "gateway-identity", "-keyalg", "RSA"]
        command += ["-dname", "CN=localhost", "-validity", "2", "-keystore", str(store), "-storetype", "JKS"]
        subprocess.run(
            [*command, "-storepass", SECRET, "-keypass", SECRET], check=True, capture_output=True, timeout=60
        )

    def _java(self, *words: str) -> subprocess.Popen[bytes]:
        path = f"{self.home}/launcher:{maven.jars(JARS, ARTIFACTS)}/*"
        with (self.home / "out").open("ab") as out:
            return subprocess.Popen(
                [f"{maven.java_home()}/bin/java", *_LIGHT, *_OPENS, f"-DGATEWAY_HOME={self.home}", "-cp", path, *words],
                env={**os.environ, "GATEWAY_HOME": str(self.home)},
                cwd=self.home,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
