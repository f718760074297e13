# SPDX-License-Identifier: Apache-2.0
"""The log in a file keeps a topic's promises."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from airflow_dataops.clients.metadata.embedded_log import EmbeddedLog, EmbeddedPublisher, LogFile, take_inbox
from airflow_dataops.clients.metadata.ports import GroupInUse
from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.metadata.dead_letter import Outgoing
from airflow_dataops.core.metadata.drain import Offsets

TOPIC, GROUP = "events", "readers"


def record(
    key: bytes | None, value: bytes | None = b"{}", headers: tuple[tuple[str, bytes | None], ...] = ()
) -> Outgoing:
    return Outgoing(TOPIC, key, value, headers)


@pytest.fixture
def file(tmp_path: Path) -> LogFile:
    return LogFile(str(tmp_path / "deep" / "log.sqlite"), clock=lambda: 1_700_000_000_000)


def everything(log: EmbeddedLog) -> dict[tuple[str, int], list[bytes | None]]:
    return {place: [one.key for one in log.read(place, 0, 2**40)] for place in log.offsets()}


def test_records_of_a_key_keep_their_partition_and_order(file: LogFile) -> None:
    file.append([record(f"k{number % 7}".encode(), str(number).encode()) for number in range(200)])
    log = EmbeddedLog(file, TOPIC, GROUP)
    seen: dict[bytes, list[int]] = {}
    places: dict[bytes, set[int]] = {}
    for place in log.offsets():
        for one in log.read(place, 0, 1000):
            assert one.key is not None
            seen.setdefault(one.key, []).append(int(one.value or b""))
            places.setdefault(one.key, set()).add(one.partition)
    assert sorted(number for numbers in seen.values() for number in numbers) == list(range(200))
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert all(len(found) == 1 for found in places.values())


def test_records_without_a_key_go_round(file: LogFile) -> None:
    for _ in range(6):
        file.append([record(None)])
    assert [one.end for one in EmbeddedLog(file, TOPIC, GROUP).offsets().values()] == [2, 2, 2]


def test_a_record_comes_back_as_it_was_sent(file: LogFile) -> None:
    sent = record(b"\x00\xff", None, (("a", b"\x80"), ("a", None), ("ü", b"")))
    file.append([sent])
    log = EmbeddedLog(file, TOPIC, GROUP)
    found = [one for place in log.offsets() for one in log.read(place, 0, 9)]
    assert [(one.key, one.value, one.headers, one.timestamp) for one in found] == [
        (sent.key, sent.value, sent.headers, 1_700_000_000_000)
    ]


def test_a_poll_is_bounded_by_records_and_by_bytes_and_gives_at_least_one(file: LogFile) -> None:
    file.append([record(b"k", b"x" * 100) for _ in range(10)])
    log = EmbeddedLog(file, TOPIC, GROUP)
    log.assign(dict.fromkeys(log.offsets(), 0))
    assert sum(map(len, log.poll(records=4, size=10**6, seconds=0).records.values())) == 4
    assert sum(map(len, log.poll(records=99, size=150, seconds=0).records.values())) == 2
    assert sum(map(len, log.poll(records=99, size=1, seconds=0).records.values())) == 1


def test_what_is_committed_is_where_the_next_one_begins(file: LogFile) -> None:
    file.append([record(b"k") for _ in range(5)])
    log = EmbeddedLog(file, TOPIC, GROUP)
    (place,) = [place for place, seen in log.offsets().items() if seen.end]
    assert log.offsets()[place] == Offsets(None, 0, 5)
    log.commit({place: 3})
    log.close()
    later = EmbeddedLog(LogFile(file.file), TOPIC, GROUP)
    later.subscribe(lambda _lost: None)
    assert [one.offset for one in later.poll(records=9, size=9999, seconds=0).records[place]] == [3, 4]
    assert EmbeddedLog(file, TOPIC, "others").offsets()[place].committed is None


def test_after_a_failure_it_reads_again_from_there(file: LogFile) -> None:
    file.append([record(b"k") for _ in range(5)])
    log = EmbeddedLog(file, TOPIC, GROUP)
    log.assign(dict.fromkeys(log.offsets(), 0))
    (place,) = log.poll(records=5, size=9999, seconds=0).records
    log.seek({place: 2})
    fetched = log.poll(records=5, size=9999, seconds=0)
    assert [one.offset for one in fetched.records[place]] == [2, 3, 4]
    assert fetched.positions[place] == 5


def test_one_process_at_a_time_reads_for_a_group(file: LogFile) -> None:
    first = EmbeddedLog(file, TOPIC, GROUP)
    first.assign({})
    second = EmbeddedLog(LogFile(file.file), TOPIC, GROUP)
    with pytest.raises(GroupInUse, match="another process reads 'events' for group 'readers'"):
        second.subscribe(lambda _lost: None)
    EmbeddedLog(LogFile(file.file), TOPIC, "others").assign({})
    first.close()
    second.assign({})


def test_a_publisher_acknowledges_what_is_in_the_file(file: LogFile) -> None:
    publisher = EmbeddedPublisher(file)
    futures = [publisher.send(record(str(number).encode())) for number in range(50)]
    assert publisher.flush(30) == 0
    assert [future.result(0) for future in futures] == [None] * 50
    publisher.close()
    assert sum(one.end for one in file.offsets(TOPIC, GROUP).values()) == 50


def test_a_publisher_tells_each_sender_what_failed(file: LogFile) -> None:
    publisher = EmbeddedPublisher(file)
    with sqlite3.connect(file.file) as connection:
        connection.execute("DROP TABLE records")
    with pytest.raises(StorageError, match="no such table"):
        publisher.send(record(b"k")).result(30)
    publisher.close()


def _append(path: str, name: str) -> None:
    file = LogFile(path)
    for number in range(20):
        file.append([record(f"{name}-{number}".encode())])


def test_processes_that_write_together_lose_and_double_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "log.sqlite")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    found = everything(EmbeddedLog(LogFile(path), TOPIC, GROUP))
    keys = sorted(key or b"" for part in found.values() for key in part)
    assert keys == sorted(f"{name}-{number}".encode() for name in "abc" for number in range(20))


def test_a_file_of_the_inbox_is_taken_once_and_whole(file: LogFile, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.jsonl").write_text("1\n\n2\nbad\n", "utf-8")
    (inbox / "other.txt").write_text("3\n", "utf-8")
    places: list[str] = []

    def read(line: bytes, place: str) -> Outgoing | None:
        places.append(place)
        return None if line == b"bad" else record(line)

    assert take_inbox(file, str(inbox), read) == 2
    assert places == ["a.jsonl:1", "a.jsonl:3", "a.jsonl:4"]
    assert take_inbox(file, str(inbox), read) == 0
    (inbox / "a.jsonl").write_text("1\n\n2\nbad\n4\n", "utf-8")  # it has grown: another delivery
    assert take_inbox(file, str(inbox), read) == 3
    assert take_inbox(file, str(tmp_path / "nowhere"), read) == 0


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    from airflow_dataops.clients.metadata.embedded_store import EmbeddedStore

    path = str(tmp_path / "x.sqlite")
    EmbeddedStore(path)
    with pytest.raises(StorageError, match="holds 'metadata store' of version 1, not 'metadata log'"):
        LogFile(path)
    (tmp_path / "text").write_text("no database at all, and long enough to be looked at" * 10, "utf-8")
    with pytest.raises(StorageError, match="not a database"):
        LogFile(str(tmp_path / "text"))
