# SPDX-License-Identifier: Apache-2.0
"""A project with one right composer_dask pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = """\
version: 1
kind: composer_dask
name: orders
cluster: {shape: small, workers: {count: 3}}
jobs:
  - name: count
    function: work.counts:count
    args: {path: "${lake}/bronze/orders/${run.date}", deep: {list: [1, "${run.key}"]}}
    workers: 3
  - name: merge
    function: work.counts:merge
    after: [count]
tags: [orders]
budget: 20
deadlines: {run: 30m}
attempts: 2
alerts: {critical: pager}
"""
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
      bucket: my-bucket
      secure: true
      rate_card: rates.yaml
      cluster:
        subnetwork: projects/p/regions/r/subnetworks/s
        service_account: a@p.iam.gserviceaccount.com
        kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/k
      shapes:
        small: {workers: {count: 2}}
        large: {workers: {count: 9}, labels: {team: data}}
      policy: {deadlines: {run: 1h}}
      init_actions: [{uri: gs://my-bucket/init.sh}]
  local: {}
alerts:
  pager: {notifier: log}
"""
RATES = """\
version: 1
kind: rate_card
currency: USD
machines: {n2-standard-4: {vcpus: 4, hourly: 0.2}}
dataproc_vcpu_hour: 0.01
disk_gb_month: {pd-balanced: 0.1}
"""
MODULE = """\
import helpers as tools

def count(client, path, *, deep=None): ...
def merge(client, **options): ...
async def wait(client): ...
def alone(): ...
partial = tools.partial(count)
"""
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)

    def written(pipeline: str = GOOD, project: str = PROJECT, rates: str = RATES, module: str = MODULE) -> Path:
        (tmp_path / "work").mkdir(exist_ok=True)
        (tmp_path / "work/counts.py").write_text(module)
        (tmp_path / "dataops.yaml").write_text(project)
        (tmp_path / "rates.yaml").write_text(rates)
        (tmp_path / "orders.yaml").write_text(pipeline)
        return tmp_path / "orders.yaml"

    return written
