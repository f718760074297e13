# SPDX-License-Identifier: Apache-2.0
"""Delete what one Airflow made and nobody waits for any more: Dask clusters of a project, or Spark drivers of a namespace.

What the tasks leave behind when they are killed is deleted by the next try, by the janitor's DAG and by time to live; this is for the
moment when none of them will come. What does not bear the labels of this Airflow is never touched.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_dataops.clients.dataproc_dask.sweep import SweepReport
    from airflow_dataops.clients.google import GoogleSettings
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from airflow_dataops.core.dataproc_dask.janitor import JanitorPolicy
    from dag_factories.project import Target

EXAMPLES = """\
examples:
  dataops janitor --project my-project --region europe-west1 --instance composer-prod --dry-run
  dataops janitor --project my-project --region europe-west1 --instance composer-prod
  dataops janitor … --orphan-after 5 --json
  dataops janitor --namespace analytics --instance onprem --dry-run
  dataops janitor --namespace analytics --instance onprem --kubeconfig airflow.kubeconfig
  dataops janitor --target onprem --instance onprem --dry-run

exit status: 0 all well, 1 something could not be listed or deleted or is stuck, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--project", help="project of the Dask clusters")
    place.add_argument("--namespace", help="namespace of the Spark drivers")
    place.add_argument(
        "--target", metavar="NAME", help="target of this folder's dataops.yaml, which says where they are"
    )
    parser.add_argument("--region", help="region of the clusters")
    parser.add_argument("--instance", required=True, help="name of the Airflow that made them (label dataops-instance)")
    parser.add_argument("--orphan-after", type=_minutes, metavar="MINUTES", help="clusters without a job (default: 30)")
    grace = "for broken clusters (default: 10), or after all that a driver's run allows it (default: 15)"
    parser.add_argument("--grace", type=_minutes, metavar="MINUTES", help=grace)
    parser.add_argument("--kubeconfig", metavar="FILE", help="ask the namespace's cluster as this file's user")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")
    parser.add_argument(
        "--impersonate", metavar="ACCOUNT[,…]", help="act as this service account, through those before"
    )
    parser.add_argument("--api-endpoint", metavar="HOST:PORT", help="of a private endpoint of the Dataproc API")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Sweep, print, and return the exit status.

    Raises:
        SpecError: An option has no meaning for what is swept (``USAGE``).
    """
    from dag_factories.cli._findings import show
    from dag_factories.findings import PipelineError

    try:
        target = None if arguments.target is None else _target(arguments)
    except PipelineError as error:
        show(error, Path("dataops.yaml"))
        return 1
    if _check(arguments, target):
        from dag_factories.cli import _janitor_spark
        from dag_factories.cli._janitor_target import applications_of

        used = () if target is None else applications_of(target)
        return _janitor_spark.run(arguments, _kube(arguments, target), used)
    return _sweep_clusters(arguments, _google(arguments, target))


def _sweep_clusters(arguments: argparse.Namespace, settings: GoogleSettings) -> int:
    from airflow_dataops.clients.dataproc_dask.drive import run_blocking
    from airflow_dataops.core.dataproc_dask.janitor import JanitorPolicy

    given = {"orphan_after": arguments.orphan_after, "grace": arguments.grace}
    lengths = {name: length for name, length in given.items() if length is not None}
    policy = JanitorPolicy.model_validate({"instance": arguments.instance, **lengths})
    report = run_blocking(_sweep(settings, policy, dry_run=arguments.dry_run))
    if arguments.json:
        print(report.model_dump_json(indent=2))
    else:
        _print(report)
    return 0 if report.ok else 1


def _target(arguments: argparse.Namespace) -> Target:
    from dag_factories.cli._janitor_target import target_of

    return target_of(arguments.target, Path.cwd())


def _kube(arguments: argparse.Namespace, target: Target | None) -> KubeSettings:
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from dag_factories.cli._janitor_target import kube_settings

    if target is not None:
        return kube_settings(arguments, target)
    return KubeSettings(namespace=arguments.namespace, kubeconfig=arguments.kubeconfig, context=arguments.context)


def _google(arguments: argparse.Namespace, target: Target | None) -> GoogleSettings:
    from airflow_dataops.clients.google import GoogleSettings, accounts_of
    from dag_factories.cli._janitor_target import google_settings

    if target is not None:
        return google_settings(arguments, target)
    chain = accounts_of(arguments.impersonate)
    return GoogleSettings(
        arguments.project, arguments.region, impersonation_chain=chain, dataproc_endpoint=arguments.api_endpoint
    )


def _check(arguments: argparse.Namespace, target: Target | None) -> bool:
    """Return whether drivers are meant, and not clusters.

    Raises:
        SpecError: An option has no meaning for them (``USAGE``).
    """
    from airflow_dataops.core.errors import SpecError
    from dag_factories.cli._janitor_target import on_spark

    spark = arguments.namespace is not None if target is None else on_spark(target)
    foreign = ("region", "orphan_after", "impersonate", "api_endpoint") if spark else ("kubeconfig", "context")
    if target is not None and not spark:
        foreign = ("region", *foreign)
    given = f"--target {target.name}" if target is not None else "--namespace" if spark else "--project"
    for name in foreign:
        if getattr(arguments, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise SpecError(f"{option} does not go with {given}", hint=f"leave {option} out", code="USAGE")
    if not spark and target is None and arguments.region is None:
        raise SpecError("--project needs --region", hint="add --region europe-west1", code="USAGE")
    return spark


async def _sweep(settings: GoogleSettings, policy: JanitorPolicy, *, dry_run: bool) -> SweepReport:
    from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
    from airflow_dataops.clients.dataproc_dask.drive import utcnow
    from airflow_dataops.clients.dataproc_dask.sweep import sweep_clusters

    async with DataprocDaskClient(settings) as client:
        return await sweep_clusters(client, policy, now=utcnow(), dry_run=dry_run)


def _print(report: SweepReport) -> None:
    for swept in report.clusters:
        error = f": {swept.error}" if swept.error else ""
        print(f"{swept.done.replace('_', ' '):12} {swept.finding.name}: {swept.finding.text}{error}")
    done = {name: report.count(name) for name in ("deleted", "would_delete", "gone", "failed", "left")}
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.items() if count) or "no clusters"
    print(told, file=sys.stderr)
    if report.blind:
        print(f"the jobs of {json.dumps(report.blind)} could not be listed", file=sys.stderr)


def _minutes(text: str) -> timedelta:
    try:
        length = float(text)
    except ValueError:
        length = -1.0
    if not 0 <= length <= 60 * 24 * 14:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes; write 30")
    return timedelta(minutes=length)
