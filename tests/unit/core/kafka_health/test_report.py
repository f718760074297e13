# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from airflow_dataops.core.kafka_health.codes import CODES, Code
from airflow_dataops.core.kafka_health.report import alert_line, document_of, lines_of, metrics_of
from airflow_dataops.core.kafka_health.snapshot import unread
from airflow_dataops.core.kafka_health.verdict import GroupVerdict
from tests.unit.core.kafka_health.samples import GROUP, START, TOPIC, Watch, check_of, snapshot_of, view

TAGS = {"dag_id": "d", "task_id": "t"}


def many(count: int = 1000) -> GroupVerdict:
    """Return a group that is behind in each of its partitions."""
    views = (view(n, 2 * n + 1, n, log_start=n, next_at_ms=START - n) for n in range(count))
    return Watch(check_of(lag={"warning": 3})).look(snapshot_of(*views))


def test_the_document_is_small_however_many_partitions_there_are() -> None:
    document = document_of(many())
    assert len(json.dumps(document)) < 10_000
    assert (document["partitions"], document["total_lag"], document["max_lag"]) == (1000, 1000 * 1001 // 2, 1000)
    assert document["counts"] == {"LAG_EXCEEDED": 997}
    assert [one["partition"] for one in document["worst"]] == list(range(999, 989, -1))
    assert len(document["findings"]) == 10
    assert document["max_age_ms"] == 999


def test_what_is_not_known_is_not_in_it() -> None:
    document = document_of(Watch(check_of()).look(snapshot_of(view(-1, 3), view(4, None, 1))))
    assert document["total_lag"] is None
    by_number = {one["partition"]: one for one in document["worst"]}
    assert by_number[0]["no_commit"] is True
    assert "lag" not in by_number[0]
    assert by_number[1] == {
        "topic": TOPIC,
        "partition": 1,
        "severity": "unknown",
        "status": None,
        "committed": 4,
        "start": 0,
        "lost": 0,
        "assigned": True,
        "codes": ["OFFSETS_UNKNOWN"],
    }


def test_the_metrics_of_a_group() -> None:
    verdict = Watch(check_of()).look(snapshot_of(view(3, 5, next_at_ms=START - 70), view(4, 4, topic="clicks")))
    told = {
        (one.kind, one.name, *sorted(set(one.tags.items()) - set(TAGS.items()))): one.value
        for one in metrics_of(verdict, TAGS)
    }
    group = ("group", GROUP)
    assert told == {
        ("incr", "dataops.kafka.verdict", group, ("severity", "ok")): 1,
        ("gauge", "dataops.kafka.lag", group): 2,
        ("gauge", "dataops.kafka.members", group): 1,
        ("gauge", "dataops.kafka.topic.lag", group, ("topic", "clicks")): 0,
        ("gauge", "dataops.kafka.topic.lag", group, ("topic", TOPIC)): 2,
        ("timing", "dataops.kafka.topic.delay", group, ("topic", TOPIC)): 70,
    }


def test_an_unknown_lag_is_never_measured_as_0() -> None:
    verdict = Watch(check_of()).look(snapshot_of(view(3, 5), view(4, -1001, 1), members=None))
    found = metrics_of(verdict, TAGS, by_partition=True)
    assert {one.name for one in found} == {
        "dataops.kafka.verdict",
        "dataops.kafka.findings",
        "dataops.kafka.partition.lag",
    }
    assert [one.tags["partition"] for one in found if one.name == "dataops.kafka.partition.lag"] == ["0"]
    away = Watch(check_of()).look(unread(GROUP, START, "_TRANSPORT"))
    assert {one.name for one in metrics_of(away, TAGS)} == {"dataops.kafka.verdict", "dataops.kafka.findings"}


def test_a_log_tells_the_worst_and_each_hint_once() -> None:
    lines = lines_of(many(20), most=3)
    hint = CODES[Code.LAG_EXCEEDED].hint
    assert lines[0] == f"group {GROUP}: warning, STABLE, lag 210 in 20 partitions"
    assert lines[1] == f"warning LAG_EXCEEDED: {TOPIC}-3: 4 records wait, more than 3 -> {hint}"
    assert [line.count(hint) for line in lines] == [0, 1, 0, 0, 0]
    assert lines[-1] == "… and 14 findings more"


def test_the_line_that_alerts_count() -> None:
    verdict = Watch(check_of()).look(snapshot_of(view(5, 9, log_start=7)))
    assert alert_line(verdict) == f"dataops.kafka.failed group={GROUP} code=DATA_LOST"
