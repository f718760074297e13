# SPDX-License-Identifier: Apache-2.0
"""The steps of a metadata pipeline: preflight, health, drain into store and archive, comparison, and a marked event's round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_dataops.links.result_page import XCOM_KEY, ResultPageLink
from airflow_dataops.operators import _job
from airflow_dataops.operators.dq_gate import DataQualityGateOperator

if TYPE_CHECKING:
    from airflow_dataops.clients.job_process import JobProcess
    from airflow_dataops.core.metadata.jobs import Events, MetadataJob, Store
    from airflow_dataops.core.metadata.transforms import TransformSpec
    from airflow_dataops.core.tables import Resources, SecretRef

_FIELDS = ("events", "store", "archive", "transforms")
_TEMPLATES = (
    "lake", "events", "store", "archive", "transforms", "pipeline", "job_resources", "report_base_url", "aws_conn_id",
)  # fmt: skip


class _MetadataOperator(BaseOperator):
    """What the steps have in common; each is a job in a process of its own.

    Args:
        lake: Root of the lake, for the run's records: an absolute folder or a URI.
        events: Where events come from: ``{"kind": "kafka", "connection": {"secret": "conn:kafka_default.extra"}}`` with ``topic`` and
            ``group``, or ``{"kind": "embedded", "file": …}``.
        store: Where they are kept: ``{"kind": "mongo", "uri": {"secret": "conn:edge_mongo.uri"}}``, or ``{"kind": "embedded", "file": …}``.
        archive: Folder or URI of the archive; None for none.
        transforms: What is made of an event before it is stored: ``{"revision": 1, "steps": […]}``.
        pipeline: Name that the run's records are kept under; the DAG id when omitted.
        timezone: IANA name of the zone in which the run's date is meant.
        job_resources: Limits of the job's process.
        report_base_url: Address that stands for the lake's root, for the link to the page.
        aws_conn_id: Connection of type ``aws`` for addresses in S3; None takes ``S3_…`` and ``AWS_…`` of the worker's environment.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = _TEMPLATES
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("events", "store", "transforms", "job_resources"), "json"
    )
    ui_color = "#d8ebe4"
    operator_extra_links = (ResultPageLink(),)
    engine = "duckdb"

    _process: JobProcess | None = None

    def __init__(
        self,
        *,
        lake: str,
        events: Events | Mapping[str, Any],
        store: Store | Mapping[str, Any],
        archive: str | None = None,
        transforms: TransformSpec | Mapping[str, Any] | None = None,
        pipeline: str | None = None,
        timezone: str = "UTC",
        job_resources: Resources | dict[str, Any] | None = None,
        report_base_url: str | None = None,
        aws_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lake = lake
        self.events = events
        self.store = store
        self.archive = archive
        self.transforms = transforms
        self.pipeline = pipeline
        self.timezone = timezone
        self.job_resources = job_resources
        self.report_base_url = report_base_url
        self.aws_conn_id = aws_conn_id

    def on_kill(self) -> None:
        """End the work at once; what is not committed is read again by the next try."""
        _job.stop(self)

    def _run(self, context: Any, spec_type: type[MetadataJob], *fields: str) -> dict[str, Any]:
        spec = _job.build_spec(self, context, spec_type, (*_FIELDS, *fields))
        result = _job.run_job(self, context, spec)
        if result.get("verdict") == "failed":
            from airflow_dataops.core.metadata.telling import failure_text

            page = context["ti"].xcom_pull(task_ids=self.task_id, key=XCOM_KEY, map_indexes=context["ti"].map_index)
            raise AirflowFailException(failure_text(result, page))
        return result


class MetadataPreflightOperator(_MetadataOperator):
    """Look whether all is there that a run needs, and say of each thing what to do.

    Args:
        api: Address of the API, whose ``/readyz`` is asked; None for none.
        api_ca: File with the authority of its certificate, PEM; None for those that the system knows.
        api_cert: File with a client certificate and its key, PEM; None for none.
        namespace: Kubernetes namespace whose nodes and pods are looked at; None for none.
        min_partitions: Fewest partitions of the topic.
        min_retention_hours: Shortest retention of the topic that is no finding, in hours.
        kwargs: Those of every step: ``lake``, ``events``, ``store``, ``archive``, ``transforms``, … , and of every task.
    """

    template_fields: Sequence[str] = (*_TEMPLATES, "api", "api_ca", "api_cert", "namespace")

    def __init__(
        self,
        *,
        api: str | None = None,
        api_ca: str | None = None,
        api_cert: str | None = None,
        namespace: str | None = None,
        min_partitions: int = 1,
        min_retention_hours: float = 24,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.api = api
        self.api_ca = api_ca
        self.api_cert = api_cert
        self.namespace = namespace
        self.min_partitions = min_partitions
        self.min_retention_hours = min_retention_hours

    def execute(self, context: Any) -> dict[str, Any]:
        """Look, and return the verdict with all findings.

        Raises:
            AirflowFailException: Something is missing, or what the author wrote is not valid. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.metadata.jobs import PreflightSpec

        result = self._run(
            context, PreflightSpec, "api", "api_ca", "api_cert", "namespace", "min_partitions", "min_retention_hours"
        )
        return _job.small(result, checks=result["checks"], posted=result["posted"])


class MetadataHealthOperator(_MetadataOperator):
    """Look how the group does by the offsets of the log itself; a Kafka group has :mod:`~airflow_dataops.operators.kafka_health`.

    Args:
        check: What is checked, without group and topics; see the page of the Kafka health check.
        kwargs: Those of every step: ``lake``, ``events``, ``store``, ``archive``, ``transforms``, … , and of every task.
    """

    template_fields: Sequence[str] = (*_TEMPLATES, "check")

    def __init__(
        self,
        *,
        check: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.check = check

    def execute(self, context: Any) -> dict[str, Any]:
        """Look, and return the verdict.

        Raises:
            AirflowFailException: A finding is critical, or what the author wrote is not valid. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.metadata.jobs import HealthSpec

        result = self._run(context, HealthSpec, "check")
        return _job.small(result, reasons=result["reasons"])


class MetadataDrainOperator(_MetadataOperator):
    """Store and archive all events up to the ends that the log had when the run began, then stop.

    Args:
        on_data_loss: ``fail`` where records were deleted before they were read; ``accept`` goes on without them.
        slice: Whether the run's records are left in the staging area, for a gate.
        kwargs: Those of every step: ``lake``, ``events``, ``store``, ``archive``, ``transforms``, … , and of every task.
    """

    def __init__(
        self,
        *,
        on_data_loss: Literal["fail", "accept"] = "fail",
        slice: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on_data_loss = on_data_loss
        self.slice = slice

    def execute(self, context: Any) -> dict[str, Any]:
        """Drain, and return what belongs to the run, by partition.

        Raises:
            AirflowFailException: Records are lost, or what the author wrote is not valid. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.metadata.jobs import DrainSpec

        result = self._run(context, DrainSpec, "on_data_loss", "slice")
        kept = ("partitions", "changed", "objects", "table")
        return _job.small(result, **{name: result[name] for name in kept})


class MetadataReconcileOperator(_MetadataOperator):
    """Compare topic, store and archive: counts by partition, and every difference.

    Args:
        scope: ``run``: the records of this run, of which the store may have newer ones by now; ``all``: all that there is, exactly.
        on_difference: ``fail`` or ``warn``.
        kwargs: Those of every step: ``lake``, ``events``, ``store``, ``archive``, ``transforms``, … , and of every task.
    """

    def __init__(
        self,
        *,
        scope: Literal["run", "all"] = "run",
        on_difference: Literal["fail", "warn"] = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scope = scope
        self.on_difference = on_difference

    def execute(self, context: Any) -> dict[str, Any]:
        """Compare, and return the counts.

        Raises:
            AirflowFailException: There are differences, or what the author wrote is not valid. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.metadata.jobs import ReconcileSpec

        result = self._run(context, ReconcileSpec, "scope", "on_difference")
        return _job.small(result, **{name: result[name] for name in ("partitions", "keys", "differences", "listed")})


class MetadataRoundTripOperator(_MetadataOperator):
    """Post a marked event, or wait until it is in the store and in the archive and remove it from the store.

    Args:
        phase: ``post``, ``await`` or ``both``.
        api: Address of the API; None posts straight to the log.
        api_ca: File with the authority of its certificate, PEM; None for those that the system knows.
        api_cert: File with a client certificate and its key, PEM; None for none.
        token: The API's token: ``{"secret": "conn:metadata_api.password"}``.
        timeout_seconds: Longest wait, in seconds.
        kwargs: Those of every step: ``lake``, ``events``, ``store``, ``archive``, ``transforms``, … , and of every task.
    """

    template_fields: Sequence[str] = (*_TEMPLATES, "api", "api_ca", "api_cert", "token")

    def __init__(
        self,
        *,
        phase: Literal["post", "await", "both"] = "both",
        api: str | None = None,
        api_ca: str | None = None,
        api_cert: str | None = None,
        token: SecretRef | Mapping[str, str] | None = None,
        timeout_seconds: float = 120,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.phase = phase
        self.api = api
        self.api_ca = api_ca
        self.api_cert = api_cert
        self.token = token
        self.timeout_seconds = timeout_seconds

    def execute(self, context: Any) -> dict[str, Any]:
        """Do what ``phase`` says, and return the event's key.

        Raises:
            AirflowFailException: The event did not arrive in time, or what the author wrote is not valid. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.metadata.jobs import RoundTripSpec

        result = self._run(context, RoundTripSpec, "phase", "api", "api_ca", "api_cert", "token", "timeout_seconds")
        return _job.small(result, **{name: result[name] for name in ("key", "stored", "archived", "removed")})


class MetadataGateOperator(DataQualityGateOperator):
    """Check what a run has drained, as :class:`~airflow_dataops.operators.dq_gate.DataQualityGateOperator` does a table."""

    consequence: ClassVar[str] = "What was drained is stored and committed."


__all__ = [
    "MetadataDrainOperator",
    "MetadataGateOperator",
    "MetadataHealthOperator",
    "MetadataPreflightOperator",
    "MetadataReconcileOperator",
    "MetadataRoundTripOperator",
]
