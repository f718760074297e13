# SPDX-License-Identifier: Apache-2.0
"""Look whether Google Cloud, a namespace of Kubernetes, or a metadata pipeline's servers have all that it needs, before anybody runs it.

On a target with Dask clusters it reads (with your own credentials, or as --impersonate says): permissions, service account, subnetwork,
keys, buckets, scripts, quotas and the NFS server's network. On one with Spark drivers (as the target's connection, where the environment
has it, or as --kubeconfig says): rights of both accounts, quotas, limits, Secrets, those for the pipeline's own secrets too, security rules
by a dry creation, and the lake in S3.
For a metadata pipeline it takes the pipeline's own first step: topic, store, archive (an object is written and deleted), API, nodes, pods;
--round-trip then posts a marked event, waits until a worker has brought it into store and archive, and takes it out of the store again.
Else it changes nothing. What it may not read is unknown, never a pass; each finding has the line or the YAML that mends it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.spec import RunParts
    from airflow_dataops.core.errors import SpecError
    from airflow_dataops.core.preflight.dataproc_dask import Lifecycle
    from airflow_dataops.core.preflight.findings import Finding
    from dag_factories.project import Project, Target
    from dag_factories.specs.base import PipelineSpec
    from dag_factories.specs.dask import DaskTarget

EXAMPLES = """\
examples:
  dataops preflight delays.yaml --target gcp
  dataops preflight delays.yaml --target gcp --impersonate composer@my-project.iam.gserviceaccount.com
  dataops preflight delays.yaml --target gcp --json | jq -r '.[].fix | values'
  dataops preflight flights.yaml --target onprem --kubeconfig airflow.kubeconfig
  dataops preflight gpu_metadata.yaml --target edge --round-trip
  dataops preflight flights.yaml --target onprem --yaml | kubectl apply --server-side -f -

exit status: 0 all is there (warnings count as there), 1 something is missing or could not be read, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the pipeline file")
    parser.add_argument("--target", help="target of dataops.yaml (default: $DATAOPS_TARGET, else its default_target)")
    parser.add_argument(
        "--impersonate",
        metavar="ACCOUNT[,…]",
        help="ask as this service account, through those before it (default: the target's impersonation_chain)",
    )
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="ask a cluster for Spark as this file's user")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("--round-trip", action="store_true", help="post a marked event, too, and see it arrive")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the findings as a list of JSON")
    form.add_argument("--yaml", action="store_true", help="print only the manifests that mend a namespace")


def run(arguments: argparse.Namespace) -> int:
    """Ask, print, and return the exit status."""
    from dag_factories.cli import _preflight_metadata, _preflight_spark
    from dag_factories.cli._findings import show
    from dag_factories.findings import PipelineError
    from dag_factories.pipeline import load_pipeline
    from dag_factories.spark import RUNNERS

    try:
        pipeline = load_pipeline(arguments.file, target=arguments.target)
        spec, project, target = pipeline.require()
        if _has_servers(arguments, spec, target):
            found = _preflight_metadata.ask(pipeline.plan(), project.root, round_trip=arguments.round_trip)
        elif target.config.runner in RUNNERS:
            found = _preflight_spark.ask(arguments, target, pipeline.plan())
        else:
            found = _ask_google(arguments, spec, project, target)
    except PipelineError as error:
        show(error, arguments.file)
        return 1
    if arguments.json:
        print(json.dumps([finding.model_dump(mode="json") for finding in found], indent=2, ensure_ascii=False))
    elif arguments.yaml:
        from airflow_dataops.report.manifests import yaml_of

        manifests = [manifest for finding in found for manifest in finding.manifests]
        print(yaml_of(one for at, one in enumerate(manifests) if one not in manifests[:at]), end="")
    else:
        _print(found)
    return int(any(finding.level in ("problem", "unknown") for finding in found))


def _has_servers(arguments: argparse.Namespace, spec: PipelineSpec, target: Target) -> bool:
    """Tell whether a metadata pipeline is to be looked at, on a target that has servers for it."""
    from airflow_dataops.core.errors import SpecError

    if spec.kind != "gpu_metadata":
        if arguments.round_trip:
            raise SpecError(f"--round-trip is for gpu_metadata, not for {spec.kind}", hint="leave it out", code="USAGE")
        return False
    given = [name for name in ("impersonate", "kubeconfig", "context", "yaml") if getattr(arguments, name)]
    if given:
        raise SpecError(f"--{given[0]} is not for a metadata pipeline", hint="leave it out", code="USAGE")
    if target.config.metadata is None:
        raise SpecError(
            f"target {target.name!r} runs {spec.kind} on files of this machine, so there is nothing to look at",
            hint="--target NAME, of one with a section metadata in dataops.yaml",
            code="USAGE",
        )
    return True


def _ask_google(
    arguments: argparse.Namespace, spec: PipelineSpec, project: Project, target: Target
) -> tuple[Finding, ...]:
    from airflow_dataops.clients.dataproc_dask.preflight import preflight
    from airflow_dataops.clients.google import GoogleSettings, accounts_of
    from airflow_dataops.core.errors import SpecError

    for name in ("kubeconfig", "context", "yaml"):
        if getattr(arguments, name):
            hint = "leave it out, or name a target with Spark drivers: --target NAME"
            raise SpecError(f"--{name} is for Kubernetes; target {target.name!r} is not", hint=hint, code="USAGE")
    parts, config, lifecycle, lake = _wanted(spec, project, target)
    chain = accounts_of(arguments.impersonate)
    settings = GoogleSettings(
        config.project, config.region, impersonation_chain=chain or tuple(config.impersonation_chain)
    )
    return preflight(settings, parts, bucket=config.bucket, lifecycle=lifecycle, lake=lake)


def _wanted(spec: PipelineSpec, project: Project, target: Target) -> tuple[RunParts, DaskTarget, Lifecycle, str | None]:
    """Return what the pipeline's first job asks for, the target's clusters, who makes and deletes one, and the lake of its tables."""
    from dag_factories import dask
    from dag_factories.specs.composer_dask import ComposerDaskSpec

    if dask.is_local(target):
        raise _no_clusters(project, target)
    config = dask.dataproc(spec, target)
    if isinstance(spec, ComposerDaskSpec):
        return dask.parts_of(spec, target, spec.jobs[0]), config, spec.lifecycle, None
    return dask.parts_of(spec, target, None), config, "airflow", target.lake


def _no_clusters(project: Project, target: Target) -> SpecError:
    from airflow_dataops.core.errors import SpecError

    others = [name for name, one in project.spec.targets.items() if one.dask is not None or one.spark is not None]
    hint = f"--target {others[0]}" if others else "no target of dataops.yaml has clusters"
    return SpecError(
        f"target {target.name!r} runs on this machine, so there is no cluster to look at",
        hint=hint,
        code="ENGINE_NOT_AVAILABLE",
    )


def _print(found: tuple[Finding, ...]) -> None:
    from airflow_dataops.report.manifests import yaml_of

    for finding in found:
        print(f"{finding.level.value:8} {finding.check}: {finding.message}")
        if finding.fix:
            print(f"         -> {finding.fix}")
        if finding.manifests:
            print(f"         -> kubectl apply --server-side -f - <<'EOF'\n{yaml_of(finding.manifests)}EOF")
    counts = {level: sum(finding.level == level for finding in found) for level in ("problem", "unknown", "warning")}
    told = ", ".join(f"{count} {level}" for level, count in counts.items() if count) or "all is there"
    print(told, file=sys.stderr)
