# SPDX-License-Identifier: Apache-2.0
"""Which alerts fire when, by promtool: these, and no others. A case is an ordinary day with something changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.services.edge_tools import EDGE, run

API, WORKER = "dataops_metadata_api", "dataops_metadata_worker"
CRITICAL, WARNING = "critical", "warning"
# Three hours, a sample a minute, as promtool writes them: begin + step x count.
DAY = {
    'up{job="metadata-api"}': "1x180",
    'up{job="metadata-worker"}': "1x180",
    f'{API}_requests_total{{code="202"}}': "0+600x180",
    f'{API}_requests_total{{code="429"}}': "0x180",
    f'{API}_requests_total{{code="503"}}': "0+6x180",
    f'{API}_events_total{{outcome="accepted"}}': "0+6000x180",
    f'{API}_events_total{{outcome="refused"}}': "0+60x180",
    f'{API}_publish_seconds_bucket{{le="0.1"}}': "0+600x180",
    f'{API}_publish_seconds_bucket{{le="5"}}': "0+600x180",
    f'{API}_publish_seconds_bucket{{le="+Inf"}}': "0+600x180",
    f'{WORKER}_records_total{{outcome="stored"}}': "0+6000x180",
    f'{WORKER}_records_total{{outcome="dead"}}': "0x180",
    f'{WORKER}_lag_records{{partition="0"}}': "1000x180",
    f'{WORKER}_lag_records{{partition="1"}}': "0 3000 1000 2500x177",
    f'{WORKER}_oldest_record_age_seconds{{pod="a"}}': "2 30 310 400 2x176",
    f'{WORKER}_errors_total{{code="MONGO_BUSY"}}': "1x180",
    f'{WORKER}_errors_total{{code="STORAGE"}}': "1x180",
    f'{WORKER}_errors_total{{code="KAFKA_UNREACHABLE"}}': "3x180",
}
STOPPED = {f'{WORKER}_records_total{{outcome="stored"}}': "0+6000x60 360000x120"}
NO_LAG = {f'{WORKER}_lag_records{{partition="{number}"}}': "0x180" for number in (0, 1)}
NO_REFUSED = {f'{API}_events_total{{outcome="refused"}}': "0x180"}
CASES: dict[str, tuple[Mapping[str, str | None], dict[str, str]]] = {
    "all is well": ({}, {}),
    "no API": ({'up{job="metadata-api"}': "1x60 0x120"}, {"MetadataApiDown": CRITICAL}),
    "no worker is known at all": ({'up{job="metadata-worker"}': None}, {"MetadataWorkerDown": CRITICAL}),
    "one API of two": ({'up{job="metadata-api"}': "1x60 0x120", 'up{job="metadata-api",pod="b"}': "1x180"}, {}),
    "a tenth of the requests fail": ({f'{API}_requests_total{{code="503"}}': "0+60x180"}, {"MetadataApiErrors": CRITICAL}),
    "a tenth of the events are none": ({f'{API}_events_total{{outcome="refused"}}': "0+660x180"}, {"MetadataEventsRefused": WARNING}),
    "the API turns requests away": ({f'{API}_requests_total{{code="429"}}': "0+1x180"}, {"MetadataApiOverloaded": WARNING}),
    "Kafka takes its time": ({f'{API}_publish_seconds_bucket{{le="0.1"}}': "0+500x180"}, {"MetadataApiSlow": WARNING}),
    "nobody posts any more": (
        {f'{API}_events_total{{outcome="accepted"}}': "0+6000x30 180000x150", **NO_REFUSED}, {"MetadataNoThroughput": WARNING},
    ),
    "nobody has ever posted": ({f'{API}_events_total{{outcome="accepted"}}': "0x180", **NO_REFUSED}, {}),
    "the worker stands still": (STOPPED, {"MetadataWorkerStalled": CRITICAL}),
    "the worker stands still, and so is late": (
        {**STOPPED, f'{WORKER}_oldest_record_age_seconds{{pod="a"}}': "2x60 0+60x120"},
        {"MetadataWorkerStalled": CRITICAL, "MetadataLag": WARNING},
    ),
    "nothing waits, and nothing is done": ({**STOPPED, **NO_LAG}, {}),
    "behind, and catching up": (
        {f'{WORKER}_lag_records{{partition="0"}}': "70000-1x180", f'{WORKER}_oldest_record_age_seconds{{pod="a"}}': "900-1x180"},
        {"MetadataLag": WARNING},
    ),
    "one worker of two is late": ({f'{WORKER}_oldest_record_age_seconds{{pod="b"}}': "301x180"}, {"MetadataLag": WARNING}),
    "records are five minutes old at most": ({f'{WORKER}_oldest_record_age_seconds{{pod="b"}}': "300x180"}, {}),
    "behind, and more so each minute": ({f'{WORKER}_lag_records{{partition="0"}}': "0+200x180"}, {"MetadataLagGrows": WARNING}),
    "the store is away": (
        {f'{WORKER}_errors_total{{code="MONGO_BUSY"}}': "1+2x180"}, {"MetadataStoreFails": CRITICAL, "MetadataWorkerErrors": WARNING},
    ),
    "the archive is away": (
        {f'{WORKER}_errors_total{{code="STORAGE"}}': "1+2x180"}, {"MetadataArchiveFails": CRITICAL, "MetadataWorkerErrors": WARNING},
    ),
    "brokers come and go": ({f'{WORKER}_errors_total{{code="KAFKA_UNREACHABLE"}}': "3+1x180"}, {"MetadataWorkerErrors": WARNING}),
    "a dead letter": ({f'{WORKER}_records_total{{outcome="dead"}}': "0x115 1x65"}, {"MetadataDeadLetters": WARNING}),
}  # fmt: skip


def judge(folder: Path, changed: Mapping[str, str | None], fires: Mapping[str, str]) -> tuple[int, str]:
    """Return what promtool says of the alerts that fire after two hours."""
    shutil.copy(EDGE / "prometheus/rules.yaml", folder)
    labels = (f'{{alertname="{name}",severity="{severity}",area="metadata"}}' for name, severity in fires.items())
    firing = {
        "expr": 'count by (alertname, severity, area) (ALERTS{alertstate="firing"})',
        "eval_time": "2h",
        "exp_samples": [{"labels": one, "value": 1} for one in labels],
    }
    series = [{"series": name, "values": values} for name, values in {**DAY, **changed}.items() if values is not None]
    case = {"interval": "1m", "input_series": series, "promql_expr_test": [firing]}
    (folder / "test.json").write_text(
        json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]})
    )
    done = run("promtool", "test", "rules", "test.json", folder=folder)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_these_alerts_fire_and_no_others(name: str, tmp_path: Path) -> None:
    status, said = judge(tmp_path, *CASES[name])
    assert status == 0, said


def test_each_alert_has_a_case_and_promtool_does_find_one_that_is_missing(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    groups = yaml.safe_load((EDGE / "prometheus/rules.yaml").read_text(encoding="utf-8"))["groups"]
    told = {rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]}
    assert told == {name: severity for _, fires in CASES.values() for name, severity in fires.items()}
    assert judge(tmp_path, CASES["no API"][0], {})[0] == 1


def test_prometheus_takes_the_rules() -> None:
    done = run("promtool", "check", "rules", "prometheus/rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
