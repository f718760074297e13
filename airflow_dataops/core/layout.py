# SPDX-License-Identifier: Apache-2.0
"""Where everything of a run lies in the lake. Pure string work: it never touches storage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunLayout:
    """The paths of one run.

    Args:
        lake: Root of the lake: an absolute folder or a URI, without a slash at the end.
        pipeline: Name of the pipeline.
        run_key: Key of the run, safe in a path.
    """

    lake: str
    pipeline: str
    run_key: str

    @property
    def staging(self) -> str:
        """Files that are not published yet; never inside a table, where a ``**`` glob would read them."""
        return f"{self.lake}/.dataops/staging/{self.pipeline}/{self.run_key}"

    @property
    def staged_table(self) -> str:
        """Folder of the final Parquet files that wait for their commit."""
        return f"{self.staging}/table"

    @property
    def manifest(self) -> str:
        """List of the staged files with rows, bytes and partition values (:class:`~airflow_dataops.core.refine.spec.StageManifest`)."""
        return f"{self.staging}/manifest.json"

    @property
    def decoded_source(self) -> str:
        """Folder of the slice of a text, CSV or JSON source, decoded once to Parquet for all steps of the run."""
        return f"{self.staging}/source"

    def staged_quarantine(self, task: str) -> str:
        """File of the bad rows that ``task`` put aside, before they are committed."""
        return f"{self.staging}/quarantine/{task}.parquet"

    @property
    def runs(self) -> str:
        """Folder of all runs of the pipeline, one folder a run key."""
        return f"{self.lake}/.dataops/runs/{self.pipeline}"

    @property
    def record(self) -> str:
        """Folder of this run's documents."""
        return f"{self.runs}/{self.run_key}"

    @property
    def staging_lease(self) -> str:
        """The lease of what the run stages: one try of it stages at a time."""
        return f"{self.record}/staging.json"

    def step_spec(self, task: str) -> str:
        """The JSON spec with which ``task`` ran; it holds references, never secrets."""
        return f"{self.record}/steps/{task}.spec.json"

    def step_result(self, task: str) -> str:
        """The JSON result of ``task``."""
        return f"{self.record}/steps/{task}.result.json"

    @property
    def result(self) -> str:
        """The result of the whole run; what history is read from."""
        return f"{self.record}/result.json"

    @property
    def commit(self) -> str:
        """The commit record of the newest finished publish: files that were added and removed."""
        return f"{self.record}/commit.json"

    def pending_commit(self, token: int) -> str:
        """The commit record of a publish that goes on under the lease's ``token``; it becomes :attr:`commit` at the end."""
        return f"{self.record}/commit-{token:06d}.json"

    @property
    def page(self) -> str:
        """The HTML result page."""
        return f"{self.record}/report.html"

    @property
    def quarantine_root(self) -> str:
        """Committed bad rows of the pipeline, one folder ``run_key=…`` a run."""
        return f"{self.lake}/quarantine/{self.pipeline}"

    @property
    def quarantine(self) -> str:
        """Committed bad rows of this run."""
        return f"{self.quarantine_root}/run_key={self.run_key}"

    def lease(self, table: str) -> str:
        """The lease file of a table, named by the digest that the caller gives."""
        return f"{self.lake}/.dataops/leases/{table}.json"

    def table_index(self, table: str) -> str:
        """What is known of a table's files (rows, moments), so that they are not read again; safe to delete."""
        return f"{self.lake}/.dataops/tables/{table}.json"
