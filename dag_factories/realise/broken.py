# SPDX-License-Identifier: Apache-2.0
"""The one DAG that shows every pipeline file that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseOperator, Stats

from dag_factories.findings import Finding
from dag_factories.realise.arguments import FIRST_DATE, moment
from dag_factories.realise.parsing import BROKEN_DAG_ID

METRIC = "dataops.yaml.broken"


class BrokenFilesOperator(BaseOperator):
    """Fails with the findings as its text.

    Args:
        findings: What is wrong, one text each.
    """

    ui_color = "#f8d7da"

    def __init__(self, *, findings: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.findings = list(findings)

    def execute(self, context: Any) -> None:  # noqa: ARG002  # Airflow's signature
        """Fail for good: a retry would find the same text."""
        raise AirflowFailException("\n".join(self.findings))


def broken_dag(findings: Sequence[Finding], loader: str) -> DAG:
    """Return the DAG ``dataops_broken_files``: never scheduled, its documentation and its failing task list the findings.

    Args:
        findings: What is wrong.
        loader: The Python file that Airflow reads the DAG from.
    """
    files = list(dict.fromkeys(finding.file for finding in findings))
    dag = DAG(
        dag_id=BROKEN_DAG_ID,
        description=f"{len(files)} pipeline files are not loaded",
        schedule=None,
        start_date=moment(FIRST_DATE, "UTC"),
        catchup=False,
        tags=["dataops", "broken"],
        doc_md=_documentation(files, findings),
    )
    dag.fileloc = loader
    BrokenFilesOperator(task_id="findings", dag=dag, findings=[str(finding) for finding in findings], retries=0)
    return dag


def count_broken(files: int) -> None:
    """Set the gauge ``dataops.yaml.broken``; also to 0, so that an alert on it ends."""
    Stats.gauge(METRIC, files)


def _documentation(files: Sequence[str], findings: Sequence[Finding]) -> str:
    parts = ["These files are not loaded. Correct them, and this DAG goes away.\n"]
    for file in files:
        parts.append(f"### `{file}`\n")
        # Indented: what an author wrote is shown as it is, and makes no Markdown.
        own = [str(finding) for finding in findings if finding.file == file]
        parts += ["\n".join(f"    {line}" for line in text.splitlines()) + "\n" for text in own]
    return "\n".join(parts)
