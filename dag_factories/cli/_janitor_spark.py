# SPDX-License-Identifier: Apache-2.0
"""The janitor of a namespace: drivers and SparkApplications of one Airflow."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from airflow_dataops.clients.spark_k8s.sweep import SweepReport
    from airflow_dataops.core.spark_k8s.janitor import JanitorPolicy


def run(arguments: argparse.Namespace, settings: KubeSettings, used: Collection[str] = ()) -> int:
    """Sweep, print, and return the exit status.

    Args:
        arguments: Of the command line.
        settings: Where the namespace is.
        used: APIs of SparkApplications that are known to be used there.
    """
    from airflow_dataops.core.spark_k8s.janitor import JanitorPolicy

    lengths = {} if arguments.grace is None else {"grace": arguments.grace}
    policy = JanitorPolicy.model_validate({"instance": arguments.instance, **lengths})
    report = asyncio.run(_sweep(settings, policy, dry_run=arguments.dry_run, used=used))
    if arguments.json:
        print(report.model_dump_json(indent=2))
    else:
        _print(report)
    return 0 if report.ok else 1


async def _sweep(settings: KubeSettings, policy: JanitorPolicy, *, dry_run: bool, used: Collection[str]) -> SweepReport:
    from airflow_dataops.clients.drive import utcnow
    from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
    from airflow_dataops.clients.spark_k8s.sweep import sweep_namespace

    async with SparkKubeClient(settings) as client:
        return await sweep_namespace(client, policy, now=utcnow(), dry_run=dry_run, used=used)


def _print(report: SweepReport) -> None:
    for swept in report.objects:
        error = f": {swept.error}" if swept.error else ""
        found = swept.finding
        print(f"{swept.done.replace('_', ' '):12} {found.kind.removesuffix('s')} {found.name}: {found.text}{error}")
    done = {name: report.count(name) for name in ("deleted", "would_delete", "gone", "failed", "left")}
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.items() if count) or "no drivers"
    print(told, file=sys.stderr)
    for api, why in report.blind.items():
        print(f"SparkApplications of {api} could not be listed: {why}", file=sys.stderr)
    if report.warning:
        print(f"warning: {report.warning}", file=sys.stderr)
