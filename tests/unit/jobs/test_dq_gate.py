# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, MaskSpec, SecretRef, SourceSpec, WindowSlice
from airflow_dataops.jobs.dq_gate import explain
from tests.unit.jobs.gate import END, RUN, GateLake, bad_rows, outcome

ROWS = {"id": [1, 2, 2, 4, None], "name": ["a", None, "c", "d", "e"], "day": ["2024-01-02"] * 4 + ["2024-01-01"]}
FLIGHTS = Path(__file__).parents[3] / "example_dags"


@pytest.fixture
def lake(tmp_path: Path) -> GateLake:
    made = GateLake(tmp_path)
    made.write(ROWS)
    return made


def test_the_flaws_of_a_year_of_flights_are_counted_exactly(tmp_path: Path) -> None:
    suite = json.loads((FLIGHTS / "suites/flights_bronze.json").read_text(encoding="utf-8"))
    source = SourceSpec(path=str(FLIGHTS / "lake/bronze/flights"))
    result = GateLake(tmp_path).gate([], suite=suite, source=source, max_quarantine_ratio=0.05)
    broken = {found.id: found.unexpected for found in result.rules if found.unexpected}
    assert broken == {
        "not_null(dep_time)": 8255,
        "not_null(tailnum)": 2512,
        "not_null(arr_time)": 8713,
        "not_null(air_time)": 9430,
        "regex(tailnum)": 375,
    }
    assert result.verdict == "quarantined"
    assert (result.rows.read, result.rows.quarantined) == (336776, 8255)
    assert len(bad_rows(result.quarantine_uri)) == 8255


def test_each_bad_row_says_what_it_broke_and_where_it_came_from(lake: GateLake) -> None:
    result = lake.gate([{"unique": "id"}, {"not_null": "name"}, {"not_null": "id", "severity": "warning"}])
    rows = bad_rows(result.quarantine_uri)
    assert [(row["id"], row["_dataops_rules"], row["_dataops_source_row"]) for row in rows] == [
        (2, ["unique(id)", "not_null(name)"], 1),
        (2, ["unique(id)"], 2),
    ]
    first = rows[0]
    assert first["_dataops_source_file"] == str(lake.root / "bronze/part-0.parquet")
    stamp = [first[f"_dataops_{name}"] for name in ("run_key", "pipeline", "task", "time")]
    assert stamp == [RUN.key, RUN.pipeline, "gate", END]


def test_an_interval_without_an_end_stamps_no_time(lake: GateLake) -> None:
    result = lake.gate([{"not_null": "name"}], run=RunContext(pipeline="orders", key="manual"))
    assert [row["_dataops_time"] for row in bad_rows(result.quarantine_uri)] == [None]


def test_a_rerun_writes_the_same_bytes(lake: GateLake) -> None:
    files = [
        Path(lake.gate([{"unique": "id"}, {"not_null": "name"}]).quarantine_uri or "").read_bytes() for _ in range(2)
    ]
    assert files[0] == files[1]


def test_bad_rows_wait_in_the_staging_until_somebody_publishes(lake: GateLake) -> None:
    result = lake.gate([{"not_null": "name"}])
    assert result.quarantine_uri == lake.layout.staged_quarantine("gate")
    assert not Path(lake.layout.quarantine).exists()


def test_a_gate_on_its_own_commits_its_bad_rows_and_a_rerun_without_any_takes_them_back(lake: GateLake) -> None:
    result = lake.gate([{"not_null": "name"}], commit_quarantine=True)
    committed = Path(lake.layout.quarantine, "gate.parquet")
    assert result.quarantine_uri == str(committed)
    assert len(bad_rows(str(committed))) == 1
    lake.write({**ROWS, "name": ["a"] * 5})
    result = lake.gate([{"not_null": "name"}], commit_quarantine=True)
    assert (result.verdict, result.quarantine_uri) == ("passed", None)
    assert not committed.exists()
    assert not Path(lake.layout.staged_quarantine("gate")).exists()


@pytest.mark.parametrize(("ratio", "verdict"), [(0.2, "quarantined"), (0.19, "failed")])
def test_too_many_bad_rows_fail_the_gate(lake: GateLake, ratio: float, verdict: str) -> None:
    result = lake.gate([{"not_null": "name"}], max_quarantine_ratio=ratio)
    assert result.verdict == verdict
    assert result.status == ("failed" if verdict == "failed" else "ok")


def test_every_row_bad(lake: GateLake) -> None:
    result = lake.gate([{"between": ["id", 100, None]}, {"regex": ["day", "^1999"]}], max_quarantine_ratio=0.5)
    assert result.verdict == "failed"
    assert result.rows.quarantined == 5
    assert result.error is not None
    assert result.error["code"] == "GATE_FAILED"
    assert "max_quarantine_ratio" in result.error["message"]
    assert not result.error["retryable"]


@pytest.mark.parametrize("on_failure", ["fail", "quarantine"])
def test_a_gate_that_failed_leaves_its_bad_rows_for_whoever_looks_into_it(lake: GateLake, on_failure: str) -> None:
    result = lake.gate([{"not_null": {"column": "name", "mostly": 0.9}}], on_failure=on_failure)
    assert result.verdict == "failed"
    assert result.quarantine_uri == str(Path(lake.layout.quarantine, "gate.parquet"))
    assert len(bad_rows(result.quarantine_uri)) == 1


def test_a_gate_that_warns_puts_nothing_aside(lake: GateLake) -> None:
    result = lake.gate([{"not_null": "name"}], on_failure="warn")
    assert (result.verdict, result.quarantine_uri, result.rows.quarantined) == ("warned", None, 0)
    assert [row["id"] for row in outcome(result, "not_null(name)").examples] == [2]


@pytest.mark.parametrize("wide", [False, True])
def test_counts_are_the_same_whether_rows_are_counted_before_or_while_they_are_put_aside(
    lake: GateLake, wide: bool
) -> None:
    more = {f"more_{n}": [n] * 6 for n in range(20)} if wide else {}
    lake.write({"a": [1, 1, None, 5, 70, 80], "b": ["x", None, "y", "z", "x", "zz"], **more})
    rules: list[Any] = [
        {"not_null": "a", "mostly": 0.5},
        {"between": ["a", 0, 60]},
        {"length_between": ["b", 1, 1], "severity": "warning"},
        {"unique": "a", "row_condition": "b = 'x'", "condition_parser": "sql"},
        {"in_set": ["b", ["x", "y", "z"]]},
        {"between": ["a", 0, 100]},
        {"distinct_count": ["b", 1, 10]},
    ]
    result = lake.gate(rules, max_quarantine_ratio=1.0)
    assert [rule.unexpected for rule in result.rules if rule.row_rule] == [1, 2, 1, 0, 1, 0]
    assert (result.rows.quarantined, result.verdict) == (3, "quarantined")
    assert [len(rule.examples) for rule in result.rules if rule.row_rule] == [1, 2, 1, 0, 1, 0]


@pytest.mark.parametrize("wide", [False, True])
def test_where_no_row_is_bad_no_file_of_bad_rows_is_left(lake: GateLake, wide: bool) -> None:
    lake.write({"a": [1, 2], **({f"more_{n}": [n] * 2 for n in range(20)} if wide else {})})
    result = lake.gate([{"between": ["a", 0, 60]}])
    assert (result.verdict, result.rows.quarantined, result.quarantine_uri) == ("passed", 0, None)
    assert not list(lake.root.rglob("quarantine/**/*.parquet"))


def test_no_rows_at_all(lake: GateLake) -> None:
    lake.write(pq.read_table(lake.root / "bronze/part-0.parquet").slice(0, 0))
    rules: list[Any] = [
        {"not_null": "name"},
        {"unique": "id"},
        {"compound_unique": ["id", "name"]},
        {"in_set": ["name", ["x"]]},
    ]
    assert lake.gate(rules).verdict == "passed"
    assert lake.gate([*rules, {"row_count": {"min": 1}}]).verdict == "failed"


def test_only_the_rows_of_the_run_are_looked_at(lake: GateLake) -> None:
    result = lake.gate([{"row_count": [4, 4]}, {"not_null": "id"}], slice=WindowSlice(column="day", size="day"))
    assert result.verdict == "passed"
    assert result.rows.read == 4


def test_nulls_of_all_columns_come_with_the_scan(lake: GateLake) -> None:
    result = lake.gate([{"row_count": {"min": 1}}])
    assert {column.name: (column.rows, column.nulls) for column in result.columns} == {
        "id": (5, 1),
        "name": (5, 1),
        "day": (5, 0),
    }


def test_examples_are_the_first_rows_whole_and_few(lake: GateLake) -> None:
    result = lake.gate(
        [{"not_in_set": ["day", ["2024-01-02"]]}, {"unique": {"column": "id", "severity": "info"}}], examples=2
    )
    aside = outcome(result, "not_in_set(day)").examples
    assert [(row["id"], row["name"], row["_dataops_source_row"]) for row in aside] == [(1, "a", 0), (2, None, 1)]
    assert [row["_dataops_source_row"] for row in outcome(result, "unique(id)").examples] == [1, 2]
    assert all(not found.examples for found in lake.gate([{"not_null": "name"}], examples=0).rules)


@pytest.mark.parametrize("keep", ["inherit", "none"])
def test_masks_cover_examples_always_and_the_quarantine_where_it_inherits_them(lake: GateLake, keep: str) -> None:
    masks = {
        "name": MaskSpec(kind="sha256", salt=SecretRef(secret="env:SALT")),
        "day": MaskSpec(kind="drop"),
        "other": MaskSpec(kind="null"),
    }
    lake.secrets = {"env:SALT": "pepper"}
    rules: list[Any] = [{"not_in_set": ["name", ["c"]]}, {"in_set": ["name", ["a"]], "severity": "warning"}]
    result = lake.gate(rules, masks=masks, quarantine={"mask": keep})
    assert '"c"' not in result.model_dump_json(exclude={"rules": {0: {"kwargs", "message"}}, "reasons": True})
    assert "pepper" not in result.model_dump_json()
    for found in result.rules:
        assert found.examples
        assert all("day" not in row for row in found.examples)
        assert all(row["name"] is None or len(row["name"]) == 64 for row in found.examples)
    kept = bad_rows(result.quarantine_uri)[0]
    assert (kept["name"] == "c", "day" in kept) == (keep == "none", keep == "none")


def test_a_salt_without_a_value_is_refused(lake: GateLake) -> None:
    masks = {"name": MaskSpec(kind="sha256", salt=SecretRef(secret="env:SALT"))}
    with pytest.raises(SpecError) as caught:
        lake.gate([{"not_null": "name"}], masks=masks)
    assert caught.value.code == "SECRET_MISSING"


def test_nan_is_put_aside_as_it_was(lake: GateLake) -> None:
    lake.write({"x": [1.0, float("nan"), None]})
    rows = bad_rows(lake.gate([{"not_null": "x"}]).quarantine_uri)
    assert [str(row["x"]) for row in rows] == ["nan", "None"]


def test_a_unique_rule_marks_only_rows_that_its_condition_picks(lake: GateLake) -> None:
    lake.write({"id": [1, 1, 1, None, None], "kind": ["a", "a", "b", "a", "a"]})
    result = lake.gate([{"unique": "id", "row_condition": "kind = 'a'"}])
    assert [row["_dataops_source_row"] for row in bad_rows(result.quarantine_uri)] == [0, 1]


def test_names_that_need_quotes(lake: GateLake) -> None:
    lake.write({'a "b"': [1, 1, None], "select": ["x'y", "x'y", None], "_dataops_key_0": [1, 2, 3], "KEY_0": [1, 1, 1]})
    rules: list[Any] = [
        {"unique": 'a "b"'},
        {"compound_unique": ["select", "KEY_0"]},
        {"not_null": "select", "id": "it's 'one'"},
    ]
    result = lake.gate(rules)
    assert [row["_dataops_rules"] for row in bad_rows(result.quarantine_uri)] == [
        ['unique(a "b")', "compound_unique(select, KEY_0)"],
        ['unique(a "b")', "compound_unique(select, KEY_0)"],
        ["it's 'one'"],
    ]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"rules": []}, "GATE_WITHOUT_RULES"),
        ({"rules": [{"not_nul": "id"}]}, "UNKNOWN_RULE"),
        ({"rules": [{"not_null": "idd"}]}, "UNKNOWN_COLUMN"),
        ({"rules": [{"between": ["name", 1, 2]}]}, "BAD_ARGUMENT_TYPE"),
        ({"rules": [{"not_null": "idd"}, {"not_nul": "id"}]}, "UNKNOWN_RULE"),
        ({"rules": [{"not_null": "idd"}, {"between": ["name", 1, 2]}]}, "RULES_INVALID"),
        ({"rules": [], "suite": {"expectations": [{"type": "expect_magic", "kwargs": {}}]}}, "GX_NOT_COMPILED"),
        ({"rules": [{"freshness": ["day", "1d"]}], "run": RunContext(pipeline="p", key="k")}, "RUN_WITHOUT_INTERVAL"),
        ({"rules": [{"not_null": "id"}], "slice": WindowSlice(column="dy", size="day")}, "UNKNOWN_COLUMN"),
    ],
)
def test_rules_that_cannot_be_meant_stop_the_job_before_it_writes(
    lake: GateLake, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(SpecError) as caught:
        lake.gate(**fields)
    assert caught.value.code == code
    assert not (lake.root / ".dataops").exists()


def test_a_source_that_is_not_there(lake: GateLake) -> None:
    with pytest.raises(InputError) as caught:
        lake.gate([{"row_count": {"min": 1}}], source=SourceSpec(path=str(lake.root / "nothing")))
    assert caught.value.code == "SOURCE_MISSING"


def test_lines_that_do_not_decode_are_put_aside_and_keep_their_secrets(lake: GateLake) -> None:
    source = lake.root / "log.jsonl"
    source.write_text('{"id": 1}\n{"id": 2, broken secret\n{"id": null}\n', encoding="utf-8")
    spec = SourceSpec(path=str(source), format="jsonl", types={"id": "bigint"})
    result = lake.gate([{"not_null": "id"}], source=spec)
    assert (result.verdict, result.rows.read, result.rows.quarantined) == ("quarantined", 3, 2)
    found = outcome(result, "decode")
    assert (found.evaluated, found.unexpected, found.passed) == (3, 1, False)
    lines = {tuple(row["_dataops_rules"]): row["_dataops_line"] for row in bad_rows(result.quarantine_uri)}
    assert lines == {("decode",): '{"id": 2, broken secret', ("not_null(id)",): None}
    assert found.examples[0]["_dataops_line"] == '{"id": 2, broken secret'
    masked = lake.gate([{"not_null": "id"}], source=spec, masks={"id": MaskSpec(kind="null")})
    assert "secret" not in masked.model_dump_json()
    assert lake.gate([{"row_count": {"min": 1}}], source=spec, on_failure="fail").verdict == "failed"
    assert lake.gate([{"row_count": {"min": 1}}], source=spec, on_failure="warn").verdict == "warned"


def test_the_sql_of_a_gate_can_be_shown_without_reading_anything() -> None:
    spec = GateSpec(
        task="gate",
        lake="/nowhere",
        run=RUN,
        source=SourceSpec(path="/nowhere"),
        slice=FullSlice(),
        rules=[{"unique": "a"}],
    )
    assert len(explain(spec, {"a": "bigint"})) == 3
    with pytest.raises(SpecError):
        explain(spec, {"b": "bigint"})


def test_the_job_as_a_process(lake: GateLake) -> None:
    spec = GateSpec(
        task="gate",
        lake=str(lake.root),
        run=RUN,
        source=SourceSpec(path=str(lake.root / "bronze")),
        slice=FullSlice(),
        rules=[{"not_null": "name"}],
    )
    envelope = json.dumps({"spec": spec.model_dump(mode="json"), "secrets": {}}) + "\n"
    command = [sys.executable, "-m", "airflow_dataops.jobs.dq_gate", "--spec", "-"]
    done = subprocess.run(command, input=envelope, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert (document["verdict"], document["error"]["code"]) == ("failed", "GATE_FAILED")
    assert json.loads(Path(lake.layout.step_result("gate")).read_text(encoding="utf-8"))["verdict"] == "failed"
