# SPDX-License-Identifier: Apache-2.0
"""A real Kafka (KRaft) of one broker or several, for tests: Apache's own, its jars by Maven, on the loopback only.

``with kafka(folder) as cluster: AdminClient(cluster.client())``. The first listener is that of the brokers themselves, and the root
door of tests: with an authoriser set, whoever comes by ``PLAINTEXT`` may do all.
"""

from __future__ import annotations

import base64
import json
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services import maven
from tests.services.ports import free_port
from tests.services.processes import Keeper, Process

VERSION = "4.3.1"
JARS = maven.CACHE / f"kafka-{VERSION}"
# Without a logger of its own the broker runs, and says nothing.
ARTIFACTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
HOST = "127.0.0.1"
CONTROLLER = "CONTROLLER"
_LIGHT = ("-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG_REQUESTS = "-Dorg.slf4j.simpleLogger.log.kafka.request.logger=debug"
# One of everything that a cluster has fifty of, and index files that are not 20 MB each.
_SMALL = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "log.cleaner.dedupe.buffer.size": 4 * 2**20,
    "log.index.size.max.bytes": 65536,
    "offsets.topic.num.partitions": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
}
# A broker that dies is missed after two seconds; not for thousands of partitions, which keep a broker from its heartbeats.
FAILOVER = {
    "broker.heartbeat.interval.ms": 300,
    "broker.session.timeout.ms": 2000,
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1000,
    "leader.imbalance.check.interval.seconds": 2,
}
# Retention and compaction that happen while a test waits.
CLEANING = {"log.cleaner.backoff.ms": 200, "log.initial.task.delay.ms": 500, "log.retention.check.interval.ms": 1000}


def missing() -> str | None:
    """Return why Kafka cannot be started here, and what to install; None where it can. The first time Maven fetches its jars."""
    return maven.unavailable("real Kafka", JARS, ARTIFACTS)


class Kafka:
    """A cluster whose brokers are numbered from 1; the first ``controllers`` of them are its controllers, too.

    Args:
        root: Folder for configuration, logs and data.
        keeper: Starts the processes.
        brokers: Their number.
        controllers: Of how many the quorum is. Two of two lose it with one of them: take 1 or 3.
        props: Settings of every broker.
        listeners: Security protocols; the first one is that of the brokers.
        fronts: Name of a further listener, without security -> port that clients are told of: of somebody who stands before it.
        scram: User -> password, for SCRAM-SHA-256 and SCRAM-SHA-512.
        memory: Heap of each.
        log_requests: Each request that a broker has answered stands in its log; see :meth:`requests`.
        advertised: Listener -> the name that each broker tells its clients to come to, with ``{}`` for its number.
    """

    def __init__(
        self,
        root: Path,
        keeper: Keeper,
        *,
        brokers: int = 1,
        controllers: int = 1,
        props: Mapping[str, Any] | None = None,
        listeners: Sequence[str] = ("PLAINTEXT",),
        fronts: Mapping[str, int] | None = None,
        scram: Mapping[str, str] | None = None,
        memory: str = "256m",
        log_requests: bool = False,
        advertised: Mapping[str, str] | None = None,
    ) -> None:
        home = maven.java_home()
        if home is None:
            raise RuntimeError(missing())
        self._fronts = dict(fronts or {})
        self.root, self.listeners = root.resolve(), (*listeners, *self._fronts)
        self._keeper = keeper
        logged = [_LOG_REQUESTS] if log_requests else []
        self._java = [f"{home}/bin/java", f"-Xmx{memory}", *_LIGHT, *logged, "-cp", f"{maven.jars(JARS, ARTIFACTS)}/*"]
        self._scram, self._advertised = dict(scram or {}), dict(advertised or {})
        self.ports = [{name: free_port() for name in (*self.listeners, CONTROLLER)} for _ in range(brokers)]
        self.running: dict[int, Process] = {}
        for number in range(1, brokers + 1):
            self._configure(number, controllers, dict(props or {}))

    @property
    def numbers(self) -> range:
        """The brokers' numbers."""
        return range(1, len(self.ports) + 1)

    def bootstrap(self, listener: str | None = None) -> str:
        """Return the addresses of all brokers by one of the listeners, the first one when omitted."""
        return ",".join(self._address(number, listener or self.listeners[0]) for number in self.numbers)

    def _address(self, number: int, listener: str) -> str:
        """Return where a broker's clients come to."""
        port = self._fronts.get(listener, self.ports[number - 1][listener])
        return f"{self._advertised.get(listener, HOST).format(number)}:{port}"

    def client(self, listener: str | None = None, **more: Any) -> dict[str, Any]:
        """Return the settings of a client, with names of librdkafka whose dots are underscores."""
        given = {name.replace("_", "."): value for name, value in more.items()}
        return {"bootstrap.servers": self.bootstrap(listener), "log_level": 0, "reconnect.backoff.max.ms": 200, **given}

    def format(self) -> None:
        """Make each broker's empty storage.

        Raises:
            RuntimeError: Kafka's tool refuses.
        """
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode().replace("-", "A", 1)
        users = [
            word
            for name, password in self._scram.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for word in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster, *users, "-c"]
        tried = {number: self._run([*tool, f"{number}.properties"], f"format-{number}") for number in self.numbers}
        for number, process in tried.items():
            if process.wait(180) != 0:
                raise RuntimeError(
                    f"the storage of broker {number} was not made:\n{process.output.read_text()[-3000:]}"
                )

    def start(self, number: int) -> None:
        """Start a broker, and return before it is up; see :meth:`wait`."""
        self.running[number] = self._run(["kafka.Kafka", f"{number}.properties"], str(number))

    def wait(self, seconds: float = 180) -> None:
        """Return when all brokers that run know one another and serve.

        Raises:
            RuntimeError: One has ended, or does not come up.
        """
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        end = time.monotonic() + seconds
        admin = AdminClient(self.client())
        while True:
            for number, process in self.running.items():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"broker {number} did not come up:\n{self.log(number)[-3000:]}")
            try:
                if len(admin.list_topics(timeout=1).brokers) == len(self.running):
                    return
            except KafkaException:
                pass
            time.sleep(0.05)

    def stop(self, number: int, how: signal.Signals = signal.SIGKILL) -> None:
        """End a broker: with SIGKILL as a machine dies, with SIGTERM as one is shut down."""
        process = self.running.pop(number)
        process.signal(how)
        if process.wait(90) is None:
            raise RuntimeError(f"broker {number} did not heed {how.name}")

    def pause(self, number: int) -> None:
        """Let a broker hang: its connections stay open, and nothing is answered."""
        self.running[number].signal(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let it go on."""
        self.running[number].signal(signal.SIGCONT)

    def log(self, number: int) -> str:
        """Return what a broker has said."""
        return (self.root / f"{number}.log").read_text(errors="replace")

    def requests(self, client_id: str) -> list[tuple[int, str]]:
        """Return broker and name of each request of a client that was answered, where ``log_requests`` is set."""
        found = []
        for number in self.numbers:
            for line in self.log(number).splitlines():
                _, completed, document = line.partition("Completed request:")
                if completed:
                    header = json.loads(document)["requestHeader"]
                    if header["clientId"] == client_id:
                        found.append((number, header["requestApiKeyName"]))
        return found

    def _configure(self, number: int, controllers: int, props: dict[str, Any]) -> None:
        ports, is_controller = self.ports[number - 1], number <= controllers
        heard = ",".join(f"{name}://{HOST}:{ports[name]}" for name in self.listeners)
        quorum = (f"{i + 1}@{HOST}:{self.ports[i][CONTROLLER]}" for i in range(controllers))
        settings = {
            **_SMALL,
            "advertised.listeners": ",".join(f"{name}://{self._address(number, name)}" for name in self.listeners),
            "controller.listener.names": CONTROLLER,
            "controller.quorum.voters": ",".join(quorum),
            "inter.broker.listener.name": self.listeners[0],
            "listener.security.protocol.map": ",".join(
                f"{name}:{'PLAINTEXT' if name in (CONTROLLER, *self._fronts) else name}"
                for name in (CONTROLLER, *self.listeners)
            ),
            "listeners": f"{heard},{CONTROLLER}://{HOST}:{ports[CONTROLLER]}" if is_controller else heard,
            "log.dirs": self.root / f"data{number}",
            "node.id": number,
            "offsets.topic.replication.factor": len(self.ports),
            "process.roles": "broker,controller" if is_controller else "broker",
            **props,
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.root / f"{number}.properties").write_text(text)

    def _run(self, words: Sequence[str], name: str) -> Process:
        return self._keeper.start([*self._java, *words], output=self.root / f"{name}.log", cwd=self.root)


@contextmanager
def kafka(root: Path, **options: Any) -> Iterator[Kafka]:
    """Start a cluster, empty, and end it; the options are those of :class:`Kafka`.

    Raises:
        RuntimeError: It does not start.
    """
    root.mkdir(parents=True, exist_ok=True)
    keeper = Keeper()
    try:
        cluster = Kafka(root, keeper, **options)
        cluster.format()
        for number in cluster.numbers:
            cluster.start(number)
        cluster.wait()
        yield cluster
    finally:
        keeper.close()
