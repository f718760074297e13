# SPDX-License-Identifier: Apache-2.0
"""The steps of a metadata pipeline on files of this machine, one after the other, as a run does them."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.metadata.embedded_log import LogFile
from airflow_dataops.clients.metadata.embedded_store import EmbeddedStore
from airflow_dataops.core.errors import DataOpsError, InputError
from airflow_dataops.core.metadata.dead_letter import Outgoing, Record, from_wire
from airflow_dataops.core.metadata.jobs import (
    DrainSpec,
    HealthSpec,
    MetadataJob,
    PreflightSpec,
    ReconcileSpec,
    RoundTripSpec,
    check_key,
)
from airflow_dataops.core.run import RunContext
from airflow_dataops.jobs import metadata_drain, metadata_health, metadata_preflight, metadata_reconcile
from airflow_dataops.jobs import metadata_round_trip as round_trip

TOPIC, GROUP, DEAD = "gpu-metadata", "edge-worker", "gpu-metadata.dead"


def event(number: int, at: str = "2024-01-01T08:00:00Z", **more: Any) -> dict[str, Any]:
    return {
        "schema_version": "v1",
        "idempotency_key": f"key-{number:04d}",
        "source": {"notebook": "n.ipynb", "accelerator": {"kind": "gpu"}, "model": {"name": "m"}},
        "object": {"uri": f"s3://raw/{number}", "checksum": "sha256:" + "a" * 64, "size": 7, "media_type": "image/png"},
        "extracted": {"attributes": {"n": number}},
        "extracted_at": at,
        **more,
    }


class Lake:
    """A lake with an embedded log, store and archive."""

    def __init__(self, folder: Path, *, archive: bool = True) -> None:
        self.folder = folder
        self.log_file, self.store_file = str(folder / "log.sqlite"), str(folder / "store.sqlite")
        self.archive = str(folder / "archive") if archive else None
        self.log = LogFile(self.log_file)

    def spec(self, kind: type[MetadataJob], run: str = "r1", **more: Any) -> Any:
        inbox = more.pop("inbox", None)
        events = {
            "kind": "embedded",
            "file": self.log_file,
            "topic": TOPIC,
            "group": GROUP,
            "dead_topic": DEAD,
            "inbox": inbox,
        }
        return kind.model_validate(
            {
                "task": more.pop("task", kind.model_fields["job"].default),
                "lake": str(self.folder),
                "run": RunContext(pipeline="p", key=run),
                "events": events,
                "store": {"kind": "embedded", "file": self.store_file},
                "archive": self.archive,
                **more,
            }
        )

    def post(self, *events: dict[str, Any] | bytes) -> None:
        self.log.append(
            Outgoing(
                TOPIC,
                None if isinstance(one, bytes) else one["idempotency_key"].encode(),
                one if isinstance(one, bytes) else json.dumps(one).encode(),
                (),
            )
            for one in events
        )

    def drain(self, run: str = "r1", **more: Any) -> Any:
        return metadata_drain.run(self.spec(DrainSpec, run, **more))

    def reconcile(self, run: str = "r1", **more: Any) -> Any:
        return metadata_reconcile.run(self.spec(ReconcileSpec, run, **more))

    def stored(self) -> dict[str, dict[str, Any]]:
        store = EmbeddedStore(self.store_file)
        keys = [key for key, _ in store.orders()]
        return {key: json.loads(one.body) for key, one in store.get(keys).items()}

    def slice(self, result: Any) -> list[dict[str, Any]]:
        lines = b"".join(path.read_bytes() for path in sorted(Path(result.table).glob("*.jsonl"))).splitlines()
        return [json.loads(line) for line in lines if line.strip()]


@pytest.fixture(params=[True, False], ids=["archive", "no archive"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return Lake(tmp_path, archive=request.param)


def test_a_drain_stores_the_newest_of_each_key_and_leaves_the_runs_records(lake: Lake) -> None:
    lake.post(event(1), event(2), event(1, at="2024-01-02T08:00:00Z"), event(1))
    result = lake.drain()
    assert (result.rows.read, result.rows.written, result.rows.quarantined) == (4, 4, 0)
    assert {key: one["extracted_at"] for key, one in lake.stored().items()} == {
        "key-0001": "2024-01-02T08:00:00.000Z",
        "key-0002": "2024-01-01T08:00:00.000Z",
    }
    lines = lake.slice(result)
    assert sorted(line["event_key"] for line in lines) == ["key-0001"] * 3 + ["key-0002"]
    assert {line["status"] for line in lines} == {"stored"}
    assert result.columns["model"] == "event.source.model.name"


def test_what_comes_after_the_start_is_for_the_next_run(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.post(event(1))
    bind = metadata_drain._bind

    def late(*args: Any, **more: Any) -> Any:
        found = bind(*args, **more)
        lake.post(event(2))
        return found

    monkeypatch.setattr(metadata_drain, "_bind", late)
    assert lake.drain().rows.read == 1
    assert set(lake.stored()) == {"key-0001"}
    monkeypatch.undo()
    assert lake.drain("r2").rows.read == 1
    assert set(lake.stored()) == {"key-0001", "key-0002"}


def test_a_record_that_is_no_event_is_a_dead_letter_and_stops_nobody(lake: Lake) -> None:
    lake.post(b"no json", event(1), {**event(2), "extracted": 7}, event(3))
    result = lake.drain()
    assert (result.rows.read, result.rows.written, result.rows.quarantined) == (4, 2, 2)
    assert set(lake.stored()) == {"key-0001", "key-0003"}
    found = [one for place in lake.log.offsets(DEAD, "x") for one in lake.log.read(place, 0, 99, 99)]
    assert sorted(from_wire(one).reason.value for one in found) == ["INVALID", "NOT_JSON"]
    assert b"no json" in {one.value for one in found}
    assert sorted(line["reason"] for line in lake.slice(result) if line["status"] == "dead") == ["INVALID", "NOT_JSON"]


def test_the_same_run_again_takes_what_has_come_and_its_slice_has_all(lake: Lake) -> None:
    lake.post(event(1))
    lake.drain()
    lake.post(event(2))
    again = lake.drain()
    assert sum(part.read for part in again.partitions) == 1
    assert sorted(line["event_key"] for line in lake.slice(again)) == ["key-0001", "key-0002"]


def test_a_run_that_others_have_gone_past_keeps_its_records(lake: Lake) -> None:
    lake.post(*map(event, range(9)))
    first = lake.drain()
    lake.post(*map(event, range(9, 18)))
    lake.drain("r2")
    lake.post(*map(event, range(18, 27)))
    again = lake.drain()
    moved_on = [
        part for part, before in zip(again.partitions, first.partitions, strict=True) if part.stop == before.stop
    ]
    assert moved_on  # another run has committed more there, so what came later is not this one's
    assert len(lake.stored()) < 27
    lake.drain("r3")
    assert len(lake.stored()) == 27


@pytest.mark.parametrize("stage", ["store", "archive", "commit"])
def test_a_try_that_dies_is_finished_by_the_next_one(lake: Lake, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.jobs.metadata.worker import Worker

    class Died(BaseException):
        pass

    def die(*_args: Any, **_more: Any) -> None:
        raise Died

    lake.post(*map(event, range(20)), b"bad")
    name = {"store": "_store_all", "archive": "_buried", "commit": "_commit"}[stage]
    monkeypatch.setattr(Worker, name, die)
    with pytest.raises(Died):
        lake.drain()
    monkeypatch.undo()
    result = lake.drain()
    assert (result.rows.read, result.rows.written, result.rows.quarantined) == (21, 20, 1)
    assert len(lake.stored()) == 20
    assert lake.reconcile().verdict == "passed"


def test_records_that_nobody_has_read_and_that_are_gone_stop_a_drain(lake: Lake) -> None:
    lake.post(*map(event, range(30)))
    lake.drain()
    lake.post(*map(event, range(30, 60)))
    with sqlite3.connect(lake.log_file) as connection:
        connection.execute("UPDATE ends SET start = stop - 1")
        connection.execute(
            "DELETE FROM records WHERE EXISTS (SELECT 1 FROM ends e WHERE e.part = records.part AND off < e.start)"
        )
    with pytest.raises(InputError, match="were deleted before they were read"):
        lake.drain("r2")
    assert len(lake.stored()) == 30
    result = lake.drain("r2", on_data_loss="accept")
    assert sum(part.lost for part in result.partitions) == 27


def test_a_step_that_needs_a_drain_says_so(lake: Lake) -> None:
    with pytest.raises(InputError, match=r"run 'r1' of 'p' has not been drained"):
        lake.reconcile()


def test_all_is_equal_after_a_drain(lake: Lake) -> None:
    lake.post(*map(event, range(30)), b"bad")
    lake.drain()
    for scope in ("run", "all"):
        result = lake.reconcile(scope=scope)
        assert (result.verdict, result.differences, result.keys, result.stored) == ("passed", {}, 30, 30)
        assert sum(part.topic for part in result.partitions) == 31
        assert sum(part.archive for part in result.partitions) == (31 if lake.archive else 0)


def test_each_difference_is_found_and_listed(lake: Lake) -> None:
    lake.post(*map(event, range(6)))
    lake.drain()
    with sqlite3.connect(lake.store_file) as connection:
        connection.execute("DELETE FROM documents WHERE key = 'key-0001'")
        connection.execute("UPDATE documents SET ord = '000' WHERE key = 'key-0002'")
        connection.execute("INSERT INTO documents VALUES ('key-9999', '1', '{}')")
    result = lake.reconcile()
    assert result.verdict == "failed"
    assert result.differences == {"NOT_IN_STORE": 1, "OLDER_IN_STORE": 1}
    listed = [json.loads(line) for line in Path(result.listed).read_bytes().splitlines()]
    assert [(one["kind"], one["key"]) for one in listed] == [
        ("NOT_IN_STORE", "key-0001"),
        ("OLDER_IN_STORE", "key-0002"),
    ]
    assert all(one["partition"] is not None and one["offset"] is not None for one in listed)
    whole = lake.reconcile(scope="all", on_difference="warn")
    assert whole.verdict == "warned"
    assert whole.differences == {"NOT_IN_STORE": 1, "OLDER_IN_STORE": 1, "ONLY_IN_STORE": 1}
    assert whole.reasons[0].startswith("3 differences (")


def test_a_newer_document_of_another_run_is_no_difference_of_this_one(lake: Lake) -> None:
    lake.post(event(1))
    lake.drain()
    lake.post(event(1, at="2024-05-01T00:00:00Z"))
    lake.drain("r2")
    assert lake.reconcile("r1").differences == {}
    assert lake.reconcile("r2", scope="all").differences == {}


def test_a_lost_row_of_the_archive_is_found(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.post(*map(event, range(9)))
    lake.drain()
    objects = sorted((tmp_path / "archive").rglob("*.parquet"))
    objects[0].unlink()
    result = lake.reconcile()
    assert set(result.differences) == {"NOT_IN_ARCHIVE"}


def test_a_marked_event_goes_round_and_leaves_the_store(lake: Lake) -> None:
    lake.post(event(1))
    key = check_key("p", "r1")
    assert round_trip.run(lake.spec(RoundTripSpec, phase="post")).key == key
    result = lake.drain()
    assert key in lake.stored()
    assert result.rows.read == 1  # of a gate's rows, none is ours
    told = round_trip.run(lake.spec(RoundTripSpec, phase="await"))
    assert (told.stored, told.archived, told.removed) == (True, True if lake.archive else None, True)
    assert set(lake.stored()) == {"key-0001"}
    assert lake.reconcile(scope="all").differences == {}
    # Another try of the run has nothing to prove again.
    round_trip.run(lake.spec(RoundTripSpec, phase="post"))
    assert round_trip.run(lake.spec(RoundTripSpec, phase="await")) == told


def test_a_marked_event_that_nobody_drains_is_late(lake: Lake) -> None:
    round_trip.run(lake.spec(RoundTripSpec, phase="post"))
    with pytest.raises(DataOpsError, match="is not in the store yet") as late:
        round_trip.run(lake.spec(RoundTripSpec, phase="await", timeout_seconds=0.1))
    assert late.value.code == "ROUND_TRIP_LATE"


def test_a_marked_event_is_found_in_the_archive_however_much_comes_after_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    key = round_trip.run(lake.spec(RoundTripSpec, phase="post")).key
    same = next(n for n in range(100) if zlib.crc32(b"key-%04d" % n) % 3 == zlib.crc32(key.encode()) % 3)
    lake.post(*[event(same)] * 10_050)
    lake.drain()
    told = round_trip.run(lake.spec(RoundTripSpec, phase="await", timeout_seconds=0.1))
    assert (told.stored, told.archived, told.removed) == (True, True, True)


def test_a_preflight_tells_of_an_api_that_speaks_no_http_and_of_all_else(lake: Lake) -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"\0\0\0\x0bnot http\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        api = f"http://127.0.0.1:{server.getsockname()[1]}"
        result = metadata_preflight.run(lake.spec(PreflightSpec, api=api))
        thread.join()
    found = {check.name: check for check in result.checks}
    assert (found["topic"].status, found["API"].status, result.verdict) == ("ok", "failed", "failed")
    assert found["API"].found.startswith(f"API_NOT_READY: {api}/readyz: ")
    wrong = metadata_preflight.run(lake.spec(PreflightSpec, api="http://[::1"))
    assert [check.status for check in wrong.checks if check.name == "API"] == ["failed"]


def test_a_preflight_posts_the_inbox_once_and_names_each_line_that_is_no_event(lake: Lake, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    old = {name: value for name, value in event(2).items() if name != "schema_version"}
    lines = [json.dumps(event(1)), "{", json.dumps(old), json.dumps({**event(3), "size": 1})]
    (inbox / "a.jsonl").write_text("\n".join(lines), "utf-8")
    first = metadata_preflight.run(lake.spec(PreflightSpec, inbox=str(inbox)))
    assert (first.verdict, first.posted) == ("warned", 2)
    assert set(first.refused) == {"a.jsonl:2", "a.jsonl:4"}
    again = metadata_preflight.run(lake.spec(PreflightSpec, inbox=str(inbox)))
    assert (again.verdict, again.posted) == ("passed", 0)
    lake.drain()
    assert set(lake.stored()) == {"key-0001", "key-0002"}


def test_a_preflight_looks_at_servers_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=60)

    def met(*_: object) -> str:
        both.wait()
        return "met"

    monkeypatch.setattr(metadata_preflight, "_archive", met)
    monkeypatch.setattr(metadata_preflight, "_ready", met)
    result = metadata_preflight.run(Lake(tmp_path).spec(PreflightSpec, api="http://x"))
    assert [(check.name, check.status) for check in result.checks] == [
        (name, "ok") for name in ("topic", "store", "archive", "API")
    ]


def test_a_preflight_tells_everything_that_is_wrong_at_once(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    spec = lake.spec(PreflightSpec, min_partitions=4, api="ftp://x", archive=str(tmp_path / "file" / "archive"))
    result = metadata_preflight.run(spec)
    assert result.verdict == "failed"
    failed = {check.name: check.found for check in result.checks if check.status == "failed"}
    assert set(failed) == {"topic", "API", "archive"}
    assert "has 3 partitions" in failed["topic"]


def test_health_is_judged_by_the_rules_of_the_kafka_check(lake: Lake) -> None:
    lake.post(*map(event, range(40)))
    limits = {"total_lag": {"critical": 39}}
    assert metadata_health.run(lake.spec(HealthSpec, check=limits)).verdict == "passed"  # it is yet to begin
    lake.drain()
    lake.post(*map(event, range(40)))
    critical = metadata_health.run(lake.spec(HealthSpec, check=limits))
    assert critical.verdict == "failed"
    assert any("40" in reason for reason in critical.reasons)
    lake.drain("r2")
    assert metadata_health.run(lake.spec(HealthSpec, check=limits)).verdict == "passed"
    with pytest.raises(DataOpsError, match="total_lag"):
        metadata_health.run(lake.spec(HealthSpec, check={"total_lag": {"critical": "many"}}))


def test_transforms_are_in_store_archive_and_slice(lake: Lake) -> None:
    steps = {"revision": 1, "steps": [{"name": "team", "default": {"extracted.attributes.team": "vision"}}]}
    lake.post(event(1))
    result = lake.drain(transforms=steps)
    assert lake.stored()["key-0001"]["extracted"]["attributes"]["team"] == "vision"
    assert lake.slice(result)[0]["event"]["extracted"]["attributes"]["team"] == "vision"
    assert lake.reconcile(transforms=steps, scope="all").differences == {}


def test_a_record_of_another_time_keeps_it() -> None:
    from airflow_dataops.core.metadata.archive import Row
    from airflow_dataops.core.metadata.slice import line_of

    for at, shown in ((-1, None), (0, "1970-01-01T00:00:00.000Z"), (2**62, "9999-12-31T23:59:59.000Z")):
        assert json.loads(line_of(0, Row(1, at, None, None, status="dead")))["record_time"] == shown
    assert Record(TOPIC, 0, 0, 0, None, None).value is None
