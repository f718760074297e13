# SPDX-License-Identifier: Apache-2.0
"""A function on a Dask of the worker's own machine: what runs on a cluster elsewhere, on a laptop's Airflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_dataops.operators import _job

if TYPE_CHECKING:
    from airflow_dataops.clients.job_process import JobProcess
    from airflow_dataops.core.dataproc_dask.spec import Adapt
    from airflow_dataops.core.tables import Resources

_FIELDS = ("function", "args", "workers", "code")


class DaskJobOperator(BaseOperator):
    """Call ``module:function`` with a Dask client and arguments, in a process of its own with worker processes beside it.

    The result, JSON of at most 64 KiB, is in XCom under ``value``. Every text of ``args`` may hold Jinja, and ``${run.date}`` and its like.

    Args:
        lake: Root of the lake, for the run's records: an absolute folder or a URI.
        function: ``module:function``; it is called as ``function(client, **args)``.
        args: Keyword arguments, JSON.
        workers: Dask workers, or ``{"minimum": …, "maximum": …}``; one a core when omitted, and never more.
        code: Folders and zip archives that the module is imported from.
        pipeline: Name that the run's records are kept under; the DAG id when omitted.
        timezone: IANA name of the zone in which the run's date is meant.
        job_resources: Limits of the job's processes together: ``memory_bytes``, ``threads`` and ``spill_dir``.
        aws_conn_id: Connection of type ``aws`` for addresses in S3; None takes ``S3_…`` and ``AWS_…`` of the worker's environment.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = ("lake", "args", "code", "pipeline", "job_resources", "aws_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(("args", "job_resources"), "json")
    ui_color = "#fdf0d5"
    engine = "dask"
    report_base_url: str | None = None

    _process: JobProcess | None = None

    def __init__(
        self,
        *,
        lake: str,
        function: str,
        args: Mapping[str, Any] | None = None,
        workers: int | Adapt | Mapping[str, int] | None = None,
        code: Sequence[str] = (),
        pipeline: str | None = None,
        timezone: str = "UTC",
        job_resources: Resources | dict[str, Any] | None = None,
        aws_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lake = lake
        self.function = function
        self.args = args
        self.workers = workers
        self.code = code
        self.pipeline = pipeline
        self.timezone = timezone
        self.job_resources = job_resources
        self.aws_conn_id = aws_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the function and return what it returned, under ``value``.

        Raises:
            AirflowFailException: The function raised, or what the author wrote is not valid. Airflow does not retry.
            TransientError: Something failed that may pass. Airflow retries.
        """
        from airflow_dataops.core.dask_job import DaskJobSpec

        spec = _job.build_spec(self, context, DaskJobSpec, _FIELDS)
        result = _job.run_job(self, context, spec, paged=False)
        return _job.small(result, value=result["value"], workers=result["workers"])

    def on_kill(self) -> None:
        """End the work at once, with all worker processes."""
        _job.stop(self)


__all__ = ["DaskJobOperator"]
