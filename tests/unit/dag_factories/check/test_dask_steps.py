# SPDX-License-Identifier: Apache-2.0
"""A pipeline whose steps run on a cluster: secrets that do not reach it, lakes that it does not see, shapes and money."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dag_factories.check import files
from dag_factories.findings import Finding

Make = Callable[..., Path]
PROJECT = """\
version: 1
default_target: gcp
targets:
  gcp:
    engine: dask
    runner: dataproc_dask
    lake: gs://lake
    dask:
      project: my-project
      region: europe-west1
      bucket: bucket
      cluster: {subnetwork: projects/my-project/regions/europe-west1/subnetworks/s, init_actions: [{uri: gs://bucket/init.sh}]}
"""
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze/orders"}
target: {path: "${lake}/silver/orders"}
full: true
"""
RATES = """\
version: 1
kind: rate_card
currency: USD
as_of: 2026-01-01
machines: {n2-standard-4: {vcpus: 4, hourly: 0.2}}
dataproc_vcpu_hour: 0.01
disk_gb_month: {pd-balanced: 0.1}
"""


def found(path: Path) -> list[Finding]:
    return files.check_files([path], target="gcp").findings


def codes(path: Path) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in found(path)]


def test_a_pipeline_on_clusters_is_well(make_project: Make) -> None:
    assert found(make_project(PIPELINE, PROJECT)) == []


@pytest.mark.parametrize("salt", ["${var:SALT}", "${conn:salts.password}"])
def test_a_salt_that_only_airflow_knows_is_refused_with_the_right_way(make_project: Make, salt: str) -> None:
    text = PIPELINE + f'columns: {{mail: {{mask: {{kind: sha256, salt: "{salt}"}}}}}}\n'
    [finding] = found(make_project(text, PROJECT))
    assert (finding.code, finding.severity, finding.line) == ("SECRET_NOT_ON_CLUSTER", "error", 9)
    assert "${env:NAME}" in (finding.suggestion or "")


def test_a_salt_of_a_tag_is_found_at_the_column(make_project: Make) -> None:
    text = PIPELINE + "columns: {mail: {tags: [pii]}}\n"
    path = make_project(text, PROJECT + 'masks: {pii: {kind: sha256, salt: "${var:SALT}"}}\n')
    assert codes(path) == [("SECRET_NOT_ON_CLUSTER", "error")]


def test_a_salt_of_the_drivers_environment_is_well(make_project: Make) -> None:
    text = PIPELINE + 'columns: {mail: {mask: {kind: sha256, salt: "${env:SALT}"}}}\n'
    assert found(make_project(text, PROJECT)) == []


def test_a_lake_that_no_machine_mounts_is_told(make_project: Make) -> None:
    path = make_project(PIPELINE, PROJECT.replace("gs://lake", "./lake"))
    assert codes(path) == [("LAKE_NOT_SHARED", "warning")]


def test_a_lake_on_a_share_is_well(make_project: Make) -> None:
    nfs = PROJECT.replace("cluster: {", "cluster: {nfs: {server: 10.0.0.2, export: data}, ").replace(
        "gs://lake", "/mnt/data"
    )
    assert found(make_project(PIPELINE, nfs)) == []


def test_shapes_without_a_default_are_told_once(make_project: Make) -> None:
    path = make_project(PIPELINE, PROJECT + "      shapes: {small: {}, large: {}}\n")
    assert codes(path) == [("UNKNOWN_SHAPE", "error")]


def test_a_run_that_may_cost_too_much_is_told(make_project: Make, tmp_path: Path) -> None:
    path = make_project(PIPELINE, PROJECT + "      rate_card: rates.yaml\n      policy: {budget: 0.01}\n")
    (tmp_path / "rates.yaml").write_text(RATES)
    assert codes(path) == [("OVER_BUDGET", "error")]


def test_a_budget_without_prices_is_told(make_project: Make) -> None:
    path = make_project(PIPELINE, PROJECT + "      policy: {budget: 1}\n")
    assert codes(path) == [("RATES_MISSING", "error")]
