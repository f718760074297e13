# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dag_factories.findings import PipelineError
from tests.unit.dag_factories.realise.serializing import serialized

pytestmark = pytest.mark.airflow

DagOf = Callable[..., Any]
GATES = "quality: {bronze: {rules: [{not_null: id}]}, silver: {rules: [{not_null: id}]}}\n"


def version() -> tuple[int, int]:
    from dag_factories.realise.arguments import airflow_version

    return airflow_version()


def core_timetable(dag: Any) -> Any:
    """Return the timetable as the scheduler sees it."""
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        return dag.timetable
    return coerce_to_core_timetable(dag.timetable)


def test_tasks_are_in_the_plans_order(dag_of: DagOf) -> None:
    dag = dag_of(GATES)
    edges = {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}
    assert edges == {
        "gate_bronze": ["refine"],
        "refine": ["gate_silver"],
        "gate_silver": ["publish"],
        "publish": ["report"],
        "report": [],
    }


def test_the_report_is_a_teardown_that_does_not_decide_over_the_run(dag_of: DagOf) -> None:
    report = dag_of().get_task("report")
    assert (report.is_teardown, report.on_failure_fail_dagrun) == (True, False)


def test_the_dag_can_be_serialized(dag_of: DagOf) -> None:
    found = serialized(dag_of(GATES + "alerts: {critical: pager}\n", "alerts: {pager: {notifier: log}}\n"))
    assert len(found["tasks"]) == 5


def test_only_the_publish_has_an_outlet(dag_of: DagOf, tmp_path: Path) -> None:
    dag = dag_of(GATES)
    outlets = {task.task_id: [asset.uri for asset in task.outlets] for task in dag.tasks if task.outlets}
    assert list(outlets) == ["publish"]
    assert outlets["publish"][0].endswith(f"{tmp_path}/lake/silver/orders")


def test_a_cron_schedule_gives_whole_intervals(dag_of: DagOf) -> None:
    import pendulum

    interval = core_timetable(dag_of()).infer_manual_data_interval(run_after=pendulum.datetime(2024, 1, 31, 12))
    assert (interval.start, interval.end) == (datetime(2024, 1, 30, tzinfo=UTC), datetime(2024, 1, 31, tzinfo=UTC))


def test_a_schedule_is_meant_in_the_pipelines_time_zone(dag_of: DagOf) -> None:
    import pendulum

    dag = dag_of("timezone: Europe/Paris\n")
    interval = core_timetable(dag).infer_manual_data_interval(run_after=pendulum.datetime(2024, 7, 2, 12))
    assert (interval.start, interval.end) == (
        datetime(2024, 6, 30, 22, tzinfo=UTC),
        datetime(2024, 7, 1, 22, tzinfo=UTC),
    )
    assert dag.start_date == datetime(2023, 12, 31, 23, tzinfo=UTC)


def test_a_serialized_schedule_keeps_its_time_zone(dag_of: DagOf) -> None:
    assert "Europe/Paris" in str(serialized(dag_of("timezone: Europe/Paris\n"))["timetable"])


@pytest.mark.parametrize(("more", "catchup"), [("", False), ("catchup: true\n", True)])
def test_catchup_is_what_the_author_says_whatever_airflows_default_is(dag_of: DagOf, more: str, catchup: bool) -> None:
    assert dag_of(more).catchup is catchup


@pytest.mark.parametrize("schedule", ["null", '"@once"', '"@continuous"'])
def test_a_schedule_without_intervals_is_airflows_own(dag_of: DagOf, schedule: str) -> None:
    from dag_factories.plans.bronze_to_silver import REPORT

    text = dag_of.__globals__["MINIMAL"].replace('"@daily"', schedule)
    assert dag_of(text=text).get_task(REPORT)


def test_a_dag_can_follow_assets(dag_of: DagOf, tmp_path: Path) -> None:
    text = dag_of.__globals__["MINIMAL"].replace('"@daily"', "{assets: ['${lake}/silver/customers']}")
    assert f"{tmp_path}/lake/silver/customers" in str(serialized(dag_of(text=text))["timetable"])


def test_durations_are_timedeltas(dag_of: DagOf) -> None:
    task = dag_of("defaults: {retry_delay: 90s, execution_timeout: 2h}\ndag: {dagrun_timeout: 3h}\n").get_task("refine")
    assert (task.retry_delay, task.execution_timeout) == (timedelta(seconds=90), timedelta(hours=2))
    assert task.dag.dagrun_timeout == timedelta(hours=3)


def test_retries_are_three_five_minutes_apart_and_growing(dag_of: DagOf) -> None:
    task = dag_of().get_task("refine")
    assert (task.retries, task.retry_delay, bool(task.retry_exponential_backoff)) == (3, timedelta(minutes=5), True)


def test_arguments_of_one_task_reach_it_alone(dag_of: DagOf) -> None:
    dag = dag_of("tasks: {publish: {pool: disk, queue: big, priority_weight: 7}}\n")
    assert [(t.pool, t.queue, t.priority_weight) for t in (dag.get_task("publish"), dag.get_task("refine"))] == [
        ("disk", "big", 7),
        ("default_pool", "default", 1),
    ]


def test_arguments_of_the_dag_reach_it(dag_of: DagOf) -> None:
    dag = dag_of(
        "tags: [a]\ndescription: d\nmax_active_runs: 2\n"
        "dag: {max_active_tasks: 3, dag_display_name: n, owner_links: {me: 'https://example.com'}, is_paused_upon_creation: false}\n"
    )
    assert (set(dag.tags), dag.description, dag.max_active_runs, dag.max_active_tasks) == ({"a"}, "d", 2, 3)
    assert (dag.dag_display_name, dag.owner_links, dag.is_paused_upon_creation) == (
        "n",
        {"me": "https://example.com"},
        False,
    )


def test_fail_fast_has_another_name_on_airflow_2(dag_of: DagOf) -> None:
    dag = dag_of("dag: {fail_fast: false}\n")
    assert (dag.fail_fast if version() >= (3, 0) else dag.fail_stop) is False


def test_params_are_values_or_schemas(dag_of: DagOf) -> None:
    dag = dag_of("dag: {params: {plain: 1, limited: {default: 2, type: integer, maximum: 5}}}\n")
    assert dag.params.dump() == {"plain": 1, "limited": 2}
    assert dag.params.get_param("limited").schema["maximum"] == 5


@pytest.mark.parametrize(
    ("more", "since"),
    [
        ("dag: {allowed_run_types: [manual, scheduled]}\n", (3, 2)),
        ("dag: {disable_bundle_versioning: true}\n", (3, 0)),
        ("dag: {rerun_with_latest_version: true}\n", (3, 2)),
        ("defaults: {retry_exponential_backoff: 3.0}\n", (3, 2)),
    ],
)
def test_an_argument_that_the_installed_airflow_lacks_is_refused(
    dag_of: DagOf, more: str, since: tuple[int, int]
) -> None:
    if version() >= since:
        assert dag_of(more)
        return
    with pytest.raises(PipelineError, match=r"NOT_IN_THIS_AIRFLOW .* needs Airflow 3"):
        dag_of(more)


def test_the_page_shows_the_file_as_it_is_written(dag_of: DagOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALT", "hush-hush")
    dag = dag_of("doc: Orders of the shop.\ncolumns: {mail: {mask: {kind: sha256, salt: '${env:SALT}'}}}  # a remark\n")
    assert dag.doc_md.startswith("Orders of the shop.")
    assert "salt: '${env:SALT}'}}}  # a remark\n```" in dag.doc_md


def test_no_secret_is_in_the_dag(dag_of: DagOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALT", "hush-hush")
    monkeypatch.setenv("HOOK", "hush-hush")
    dag = dag_of(
        "columns: {mail: {mask: {kind: sha256, salt: '${env:SALT}'}}}\nalerts: {critical: pager}\n",
        "alerts: {pager: {notifier: webhook, url: '${env:HOOK}'}}\n",
    )
    assert "hush-hush" not in str(serialized(dag))


def test_code_fences_in_the_file_do_not_end_the_page(dag_of: DagOf) -> None:
    assert dag_of('doc: "```"\n# ```\n').doc_md.endswith("# ```\n````")


def test_the_dag_belongs_to_the_file_that_loads_it(dag_of: DagOf, tmp_path: Path) -> None:
    assert dag_of().fileloc == str(tmp_path / "orders.py")


def rendered(task: Any, **dag_run: Any) -> Any:
    from types import SimpleNamespace

    defaults = {
        "logical_date": datetime(2024, 1, 31, tzinfo=UTC),
        "run_id": "r",
        "data_interval_start": datetime(2024, 1, 31, tzinfo=UTC),
    }
    run = SimpleNamespace(**{**defaults, "data_interval_end": datetime(2024, 2, 1, tzinfo=UTC), **dag_run})
    task.render_template_fields({"dag_run": run, "dag": task.dag, "task": task})
    return task


def test_run_references_are_rendered_on_the_worker(dag_of: DagOf, tmp_path: Path) -> None:
    text = (
        dag_of.__globals__["MINIMAL"].replace("full: true\n", "").replace("bronze/orders", "bronze/orders/${run.date}")
    )
    assert rendered(dag_of(text=text).get_task("refine")).source["path"] == f"{tmp_path}/lake/bronze/orders/2024-01-31"


def test_the_environment_is_read_on_the_worker(dag_of: DagOf, monkeypatch: pytest.MonkeyPatch) -> None:
    task = dag_of(project="targets: {local: {lake: '${env:LAKE}'}}\n").get_task("refine")
    monkeypatch.setenv("LAKE", "s3://lake")
    assert (rendered(task).lake, task.source["path"]) == ("s3://lake", "s3://lake/bronze/orders")


def test_limits_of_a_job_reach_its_operator(dag_of: DagOf, monkeypatch: pytest.MonkeyPatch) -> None:
    task = dag_of("resources: {memory: 1GB, spill_dir: '${env:SPILL}'}\n").get_task("refine")
    monkeypatch.setenv("SPILL", "/fast")
    assert rendered(task).job_resources == {"memory_bytes": 2**30, "spill_dir": "/fast"}


def test_a_reference_that_is_not_set_says_so(dag_of: DagOf) -> None:
    from airflow_dataops.core.errors import SpecError

    with pytest.raises(SpecError, match="env:NO_SUCH_LAKE is not set"):
        rendered(dag_of(project="targets: {local: {lake: '${env:NO_SUCH_LAKE}'}}\n").get_task("refine"))


def test_an_authors_text_is_never_rendered(dag_of: DagOf) -> None:
    """The checks refuse such texts; should one pass them, it is still only a text."""
    from dag_factories.resolve import JinjaResolver, resolve

    task = dag_of(GATES).get_task("gate_bronze")
    task.rules = resolve([{"condition": "a = '{{ dag_run }}' {# x #}"}], JinjaResolver(Path("/")))
    assert rendered(task).rules == [{"condition": "a = '{{ dag_run }}' {# x #}"}]


def realised(tasks: list[dict[str, Any]], groups: dict[str, str] | None = None) -> Any:
    from dag_factories.plans.model import Plan
    from dag_factories.realise import realise

    job = {"stem": "report", "spec": {"lake": "/lake", "title": "t", "steps": []}}
    document = {
        "kind": "k",
        "name": "made",
        "source_file": "made.yaml",
        "target": "local",
        "dag": {"timezone": "UTC"},
        "tasks": [{"operator": "refine.RunReportOperator", "job": job, **task} for task in tasks],
        "groups": groups or {},
    }
    return realise(Plan.model_validate(document), root=Path("/project"), loader="/project/made.py")


def test_tasks_of_a_group_keep_their_ids() -> None:
    dag = realised([{"id": "a", "group": "g"}, {"id": "b", "upstream": ["a"]}], {"g": "A group"})
    assert (dag.get_task("a").task_group.group_id, dag.get_task("a").task_group.tooltip) == ("g", "A group")
    assert dag.get_task("b").upstream_task_ids == {"a"}


def test_a_setup_is_one() -> None:
    dag = realised([{"id": "a", "role": "setup"}, {"id": "b", "upstream": ["a"], "role": "teardown"}])
    assert (dag.get_task("a").is_setup, dag.get_task("b").is_teardown) == (True, True)


def test_a_trigger_rule_is_passed_on() -> None:
    dag = realised([{"id": "a"}, {"id": "b", "upstream": ["a"], "trigger_rule": "all_done"}])
    assert dag.get_task("b").trigger_rule == "all_done"


def test_a_pod_without_the_kubernetes_provider_says_what_to_install(dag_of: DagOf) -> None:
    from importlib.util import find_spec

    if find_spec("airflow.providers.cncf"):
        pytest.skip("the Kubernetes provider is installed")
    with pytest.raises(PipelineError, match=r"(?s)MISSING_DEPENDENCY.*airflow-dataops\[kubernetes\]"):
        dag_of("tasks: {refine: {executor_config: {pod_override: {spec: {containers: [{name: base}]}}}}}\n")


def test_tasks_are_connected_as_airflow_connects_them(dag_of: DagOf) -> None:
    made, asked = dag_of(GATES), dag_of(GATES)
    for task in asked.tasks:
        before = sorted(task.upstream_task_ids)
        task.upstream_task_ids.clear()
        for name in before:
            asked.get_task(name).downstream_task_ids.clear()
            task.set_upstream(asked.get_task(name))
    assert serialized(made) == serialized(asked)
