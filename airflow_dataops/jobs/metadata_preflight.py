# SPDX-License-Identifier: Apache-2.0
"""Is all there that a run needs: brokers and topic, store with its indexes, archive, API, and the namespace's nodes and pods?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airflow_dataops.clients.metadata.parts import Parts, opened
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.dead_letter import Outgoing
from airflow_dataops.core.metadata.faults import EventRefused
from airflow_dataops.core.metadata.jobs import Check, EmbeddedLog, KafkaLog, PreflightResult, PreflightSpec, Verdict
from airflow_dataops.core.metadata.reading import read_json
from airflow_dataops.core.metadata.telling import preflight_reasons
from airflow_dataops.core.metadata.versions import VERSIONS
from airflow_dataops.core.metadata.wire import record_of, take
from airflow_dataops.jobs.process import Progress, main

_MOST_REFUSED = 100
_SECONDS = 10.0  # of one look
_AT_ONCE = 5


def run(
    spec: PreflightSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> PreflightResult:
    """Look at each thing, whatever the others say; nothing but what is missing of the store's indexes is made.

    An embedded log's inbox is posted here, so that all later steps see it.

    Args:
        spec: What to look at.
        secrets: Reference -> value.
        progress: Told each finding, one line at a time.
    """
    tell = progress or (lambda _line: None)
    work = _Work(spec, secrets or {})
    checks: list[Check] = []
    for check in work.checks():
        checks.append(check)
        tell(f"{check.status}: {check.name}{f', {check.found}' if check.found else ''}")
    states = {check.status for check in checks}
    warned = bool(states & {"warning", "unknown"} or work.refused)
    verdict: Verdict = "failed" if "failed" in states else "warned" if warned else "passed"
    reasons = preflight_reasons(checks, work.refused)
    return PreflightResult(
        task=spec.task,
        run=spec.run,
        verdict=verdict,
        checks=checks,
        posted=work.posted,
        refused=work.refused,
        reasons=reasons,
    )


@dataclass
class _Work:
    spec: PreflightSpec
    secrets: Mapping[str, str]
    posted: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    def checks(self) -> Iterator[Check]:
        """Yield what was found, one thing after the other; servers are looked at side by side, since each may be away."""
        looks: list[Callable[[], list[Check]]] = []
        with ExitStack() as stack:
            try:
                parts = stack.enter_context(opened(self.spec, self.secrets))
            except DataOpsError as error:
                yield _failed("log, store and archive", error)
            else:
                looks += [lambda: list(self._of_log(parts)), lambda: list(_of_store(parts))]
                if self.spec.archive is not None:
                    looks.append(lambda: [_looked("archive", lambda: _archive(str(self.spec.archive)))])
            if self.spec.api is not None:
                looks.append(lambda: [_looked("API", lambda: _ready(self.spec, str(self.spec.api)))])
            if self.spec.namespace is not None:
                looks.append(lambda: list(_cluster(str(self.spec.namespace))))
            with ThreadPoolExecutor(_AT_ONCE, "preflight") as pool:
                for found in pool.map(lambda look: look(), looks):
                    yield from found

    def _of_log(self, parts: Parts) -> Iterator[Check]:
        log = self.spec.events
        if isinstance(log, EmbeddedLog) and log.inbox is not None:
            yield _looked("inbox", lambda: self._take_inbox(log))
        if not isinstance(log, KafkaLog):
            yield _looked("topic", lambda: self._topic(parts))
            return
        retention = self._retention(log)
        if retention.found.startswith("KAFKA_UNREACHABLE"):  # each further question would take as long
            yield retention.model_copy(update={"name": "topic"})
            yield retention
            return
        yield _looked("topic", lambda: self._topic(parts))
        yield retention
        yield self._dead_letters(log)

    def _topic(self, parts: Parts) -> str:
        seen = parts.log.offsets()
        if len(seen) < self.spec.min_partitions:
            raise DataOpsError(
                f"{parts.log.topic!r} has {len(seen)} partitions",
                hint=f"a pipeline of this size wants {self.spec.min_partitions}; adding some moves keys to others",
                code="TOPIC_PARTITIONS",
            )
        waiting = sum(
            max(0, one.end - (one.start if one.committed is None else one.committed)) for one in seen.values()
        )
        return f"{parts.log.topic!r}, {len(seen)} partitions, {waiting:,} offsets are waiting"

    def _hours(self, log: KafkaLog, topic: str) -> float | None:
        from airflow_dataops.clients.metadata.kafka_topic import retention_hours
        from airflow_dataops.clients.metadata.parts import kafka_settings

        return retention_hours(kafka_settings(log, self.secrets), topic, _SECONDS)

    def _retention(self, log: KafkaLog) -> Check:
        def look() -> str:
            hours = self._hours(log, log.topic)
            if hours is not None and hours < self.spec.min_retention_hours:
                raise DataOpsError(
                    f"{log.topic!r} keeps records for {hours:g} h",
                    hint=f"raise retention.ms to {self.spec.min_retention_hours:g} h: a run that is late loses what is deleted",
                    code="TOPIC_RETENTION",
                )
            return _kept(hours)

        return _looked("retention", look)

    def _dead_letters(self, log: KafkaLog) -> Check:
        """Look at the topic that is not needed before the first event that cannot be taken; without it that one stops the drain."""
        found = _looked("dead letters", lambda: f"{log.dead_topic!r}, {_kept(self._hours(log, log.dead_topic))}")
        return found if found.status == "ok" else found.model_copy(update={"status": "warning"})

    def _take_inbox(self, log: EmbeddedLog) -> str:
        from airflow_dataops.clients.metadata.embedded_log import LogFile, take_inbox

        file = LogFile(log.file, partitions=log.partitions)
        try:
            self.posted = take_inbox(file, str(log.inbox), lambda line, place: self._record(line, place, log.topic))
        finally:
            file.close()
        refused = f", {len(self.refused)} lines are no events" if self.refused else ""
        return f"{self.posted:,} new events in {log.inbox}{refused}"

    def _record(self, line: bytes, place: str, topic: str) -> Outgoing | None:
        try:
            read = take(read_json(line), now=datetime.now(UTC), assumed=VERSIONS.names[-1])
        except EventRefused as error:
            if len(self.refused) < _MOST_REFUSED:
                self.refused[place] = str(error)
            return None
        key, value, headers = record_of(read)
        return Outgoing(topic, key, value, tuple(headers))


def _kept(hours: float | None) -> str:
    return "records are kept for ever" if hours is None else f"records are kept for {hours:g} h"


def _looked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, status="ok", found=look())
    except DataOpsError as error:
        return _failed(name, error)


def _failed(name: str, error: DataOpsError) -> Check:
    return Check(name=name, status="failed", found=f"{error.code}: {error.message}", hint=error.hint or "")


def _of_store(parts: Parts) -> Iterator[Check]:
    first = _looked("store", lambda: _store(parts))
    yield first
    if first.found.startswith("MONGO_UNREACHABLE"):
        return  # it would be waited for once more
    with suppress(DataOpsError):  # told already
        for finding in parts.store.findings():
            yield Check(name="store", status="warning", found=finding)


def _store(parts: Parts) -> str:
    parts.store.prepare()
    first = next(iter(parts.store.orders()), None)
    return "answers, with its indexes" + ("" if first else "; it is empty")


def _archive(path: str) -> str:
    """Write, read and delete a small object: rights to list alone are not enough."""
    storage, name = storage_for(path), f"{path}/.dataops-preflight-{uuid.uuid4().hex}"
    storage.write_bytes(name, b"preflight")
    try:
        if storage.read_bytes(name) != b"preflight":
            raise DataOpsError(f"{path}: what was written is not what is read", code="ARCHIVE_UNSOUND")
    finally:
        storage.delete(name)
    return f"{path} can be written, read and deleted"


def _ready(spec: PreflightSpec, api: str) -> str:
    import http.client
    import ssl
    import urllib.request

    url = f"{api.rstrip('/')}/readyz"
    if not url.startswith(("http://", "https://")):
        raise DataOpsError(f"{api!r} is no address of an API", hint="write https://host:port", code="API_ADDRESS")
    try:
        tls = ssl.create_default_context(cafile=spec.api_ca)
        if spec.api_cert is not None:
            tls.load_cert_chain(spec.api_cert)
        with urllib.request.urlopen(url, timeout=_SECONDS, context=tls) as answer:  # noqa: S310  # the scheme has been looked at
            return f"{url} answers {answer.status}"
    except (OSError, http.client.HTTPException, ValueError) as error:  # it speaks no HTTP; the address cannot be read
        raise DataOpsError(f"{url}: {error}", hint="look at the API's log", code="API_NOT_READY") from error


def _cluster(namespace: str) -> Iterator[Check]:
    from airflow_dataops.clients.metadata.cluster import look

    try:
        yield from look(namespace, _SECONDS)
    except DataOpsError as error:
        yield Check(name=f"namespace {namespace}", status="unknown", found=str(error), hint=error.hint or "")


if __name__ == "__main__":
    raise SystemExit(main(PreflightSpec, run))
