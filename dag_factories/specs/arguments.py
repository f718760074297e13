# SPDX-License-Identifier: Apache-2.0
"""The arguments of Airflow's DAG and tasks that a YAML file may set, under Airflow's own names.

``tests/unit/dag_factories/specs/test_arguments.py`` compares them with the signatures of the installed Airflow: each
parameter is a field here, or stands in :data:`DAG_EXCLUDED` or :data:`TASK_EXCLUDED` with the reason.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from airflow_dataops.core.model import Model
from dag_factories.specs.values import Moment, Names, Seconds, TimeZone


class AuthorModel(Model):
    """Base of what an author writes: a key has one name, its alias where it has one."""

    model_config = ConfigDict(populate_by_name=False)

    def given(self, *, only: set[str] | None = None, without: set[str] | None = None) -> dict[str, Any]:
        """Return what the author wrote, JSON-safe, and nothing that is only a default.

        Args:
            only: Fields that are wanted; all without it.
            without: Fields that are not.
        """
        if not self.model_fields_set:
            return {}
        return self.model_dump(mode="json", include=only, exclude=without, exclude_unset=True)


class AssetSchedule(AuthorModel):
    """Run when other tables have been published.

    Attributes:
        assets: Paths of the tables, as the ``target.path`` of the pipelines that publish them; all must have changed.
    """

    assets: list[str] = Field(min_length=1)


class DagCommon(AuthorModel):
    """The DAG arguments that most pipelines set; they stand at the top level of the file.

    Attributes:
        description: One line for the list of DAGs.
        schedule: Cron expression, preset (``@daily``), ``{assets: [...]}``, or null for a DAG that is only triggered.
        start_date: First moment of the first data interval.
        end_date: No run starts after it.
        timezone: Zone in which the schedule and all dates are meant.
        catchup: True runs every interval since ``start_date``; false only the latest.
        tags: Tags in the list of DAGs; added to those of ``dataops.yaml``.
        max_active_runs: Runs of this DAG at one time.
    """

    description: str | None = None
    schedule: str | AssetSchedule | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    timezone: TimeZone = "UTC"
    catchup: bool = False
    tags: list[str] = []
    max_active_runs: int | None = Field(default=None, ge=1)


class DagArguments(AuthorModel):
    """The rarer arguments of the DAG, under ``dag:``.

    Attributes:
        dag_display_name: Name shown instead of the DAG id.
        max_active_tasks: Tasks of this DAG at one time.
        max_consecutive_failed_dag_runs: Pause the DAG after so many failed runs.
        dagrun_timeout: A run that takes longer fails. Airflow then skips teardowns, so no page is written.
        on_success_callback: Names of alert routes or registered callbacks, told when a run succeeds.
        on_failure_callback: Names of alert routes or registered callbacks, told when a run fails; added to ``alerts``.
        params: Parameters of a manual run: name -> default, or ``{default: …}`` with JSON Schema keys.
        access_control: Role -> permissions.
        is_paused_upon_creation: Whether the DAG is paused when it is first seen.
        owner_links: Owner -> link.
        fail_fast: The first failed task stops the run (``fail_stop`` on Airflow 2).
        allowed_run_types: Kinds of run that may be made (Airflow 3.2 and later).
        disable_bundle_versioning: Tasks run the latest code, not that of the run's start (Airflow 3).
        rerun_with_latest_version: Reruns use the latest code (Airflow 3.2 and later).
    """

    dag_display_name: str | None = None
    max_active_tasks: int | None = Field(default=None, ge=1)
    max_consecutive_failed_dag_runs: int | None = Field(default=None, ge=0)
    dagrun_timeout: Seconds | None = None
    on_success_callback: Names = []
    on_failure_callback: Names = []
    params: dict[str, Any] = {}
    access_control: dict[str, Any] | None = None
    is_paused_upon_creation: bool | None = None
    owner_links: dict[str, str] = {}
    fail_fast: bool | None = None
    allowed_run_types: list[Literal["manual", "scheduled", "backfill", "asset_triggered"]] | None = None
    disable_bundle_versioning: bool | None = None
    rerun_with_latest_version: bool | None = None


class DagDefaults(DagCommon, DagArguments):
    """All DAG arguments in one place: ``defaults: {dag: …}`` of ``dataops.yaml``."""


class TaskArguments(AuthorModel):
    """Arguments that every Airflow task takes.

    Attributes:
        owner: Who answers for the tasks.
        retries: Further tries after a failure that may pass. A failed check is never retried.
        retry_delay: Wait before the second try.
        retry_exponential_backoff: True doubles the wait each time; a number is the factor (Airflow 3.2 and later).
        max_retry_delay: Longest wait.
        execution_timeout: A try that takes longer is stopped.
        pool: Pool whose slots the task takes.
        pool_slots: How many.
        priority_weight: Weight in the queue.
        weight_rule: How the weights of neighbours add up.
        queue: Queue of the executor.
        executor: Name of the executor, where several are set up.
        executor_config: The executor's own settings; for Kubernetes ``{pod_override: …}`` as a pod stands in YAML.
        run_as_user: System user that runs the task.
        depends_on_past: Wait for the task's success in the run before.
        ignore_first_depends_on_past: The first run does not wait.
        wait_for_past_depends_before_skipping: Wait for the past before skipping.
        wait_for_downstream: Wait for the tasks after it in the run before.
        max_active_tis_per_dag: Instances of this task at one time, over all runs.
        max_active_tis_per_dagrun: Instances of this task at one time in one run.
        on_execute_callback: Names of alert routes or registered callbacks, told when a try starts.
        on_success_callback: The same, when it succeeds.
        on_failure_callback: The same, when the task fails for good.
        on_retry_callback: The same, when a try fails and another follows.
        on_skipped_callback: The same, when the task is skipped.
        task_display_name: Name shown instead of the task id.
        doc_md: Text shown beside the task, Markdown.
        logger_name: Name of the logger below ``airflow.task.operators``.
    """

    owner: str | None = None
    retries: int | None = Field(default=None, ge=0)
    retry_delay: Seconds | None = None
    retry_exponential_backoff: bool | float | None = None
    max_retry_delay: Seconds | None = None
    execution_timeout: Seconds | None = None
    pool: str | None = None
    pool_slots: int | None = Field(default=None, ge=1)
    priority_weight: int | None = None
    weight_rule: Literal["downstream", "upstream", "absolute"] | None = None
    queue: str | None = None
    executor: str | None = None
    executor_config: dict[str, Any] | None = None
    run_as_user: str | None = None
    depends_on_past: bool | None = None
    ignore_first_depends_on_past: bool | None = None
    wait_for_past_depends_before_skipping: bool | None = None
    wait_for_downstream: bool | None = None
    max_active_tis_per_dag: int | None = Field(default=None, ge=1)
    max_active_tis_per_dagrun: int | None = Field(default=None, ge=1)
    on_execute_callback: Names = []
    on_success_callback: Names = []
    on_failure_callback: Names = []
    on_retry_callback: Names = []
    on_skipped_callback: Names = []
    task_display_name: str | None = None
    doc_md: str | None = None
    logger_name: str | None = None


TASK_DEFAULTS: dict[str, Any] = {"retries": 3, "retry_delay": 300, "retry_exponential_backoff": True}
"""What holds where nobody says otherwise."""

DURATIONS = frozenset({"retry_delay", "max_retry_delay", "execution_timeout", "dagrun_timeout"})
"""Arguments that stand in a plan as seconds, and that Airflow takes as a ``timedelta``."""

CALLBACKS = frozenset(
    name for model in (DagArguments, TaskArguments) for name in model.model_fields if name.endswith("_callback")
)
"""Arguments that stand in a plan as names, and that Airflow takes as functions."""

FILE_NAMES: dict[str, str] = {"dag_id": "name", "doc_md": "doc", "default_args": "defaults"}
"""Airflow's name of a DAG argument -> the key in the file, where they differ."""

_CODE = "takes code or objects; YAML holds neither"
_OURS = "set by the plan of the kind"

DAG_EXCLUDED: dict[str, str] = {
    "template_searchpath": "no template is read from a file: paths and texts take ${…} references",
    "template_undefined": _CODE,
    "user_defined_macros": _CODE,
    "user_defined_filters": _CODE,
    "jinja_environment_kwargs": _CODE,
    "render_template_as_native_obj": "specs are rendered as texts",
    "deadline": "experimental, Airflow 3 only; use dagrun_timeout",
    "sla_miss_callback": "removed in Airflow 3",
    "auto_register": "the loader registers the DAG",
    "task_group": _OURS,
    "schedule_interval": "removed in Airflow 3; use schedule",
    "timetable": "made from schedule and timezone",
    "full_filepath": "removed in Airflow 3",
    "concurrency": "removed in Airflow 3; use max_active_tasks",
    "default_view": "removed in Airflow 3",
    "orientation": "removed in Airflow 3",
    "fail_stop": "the name of fail_fast on Airflow 2",
}

TASK_EXCLUDED: dict[str, str] = {
    "task_id": _OURS,
    "dag": _OURS,
    "task_group": _OURS,
    "default_args": _OURS,
    "trigger_rule": "decides whether a failed run looks green; set by the plan of the kind",
    "inlets": _OURS,
    "outlets": "only a publish emits the table's asset event",
    "start_date": "one date a pipeline",
    "end_date": "one date a pipeline",
    "params": "set on the DAG",
    "email": "deprecated in Airflow 3; use an alert route with the notifier smtp",
    "email_on_retry": "deprecated in Airflow 3; use an alert route with the notifier smtp",
    "email_on_failure": "deprecated in Airflow 3; use an alert route with the notifier smtp",
    "sla": "removed in Airflow 3",
    "retry_policy": _CODE,
    "pre_execute": _CODE,
    "post_execute": _CODE,
    "resources": "no executor reads it; use executor_config",
    "task_concurrency": "removed in Airflow 3; use max_active_tis_per_dag",
    "map_index_template": "no task of a plan is mapped",
    "do_xcom_push": "later tasks read the result of earlier ones",
    "multiple_outputs": _OURS,
    "doc": "use doc_md",
    "doc_json": "use doc_md",
    "doc_yaml": "use doc_md",
    "doc_rst": "use doc_md",
    "allow_nested_operators": _CODE,
    "render_template_as_native_obj": "specs are rendered as texts",
}
