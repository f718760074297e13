# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.scanning import Scan, check_report
from tests.services.kube.accounts import Namespace
from tests.services.kube.fixtures import kube, namespace, node
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.stand_in import PATTERN, stand_in

__all__ = ["kube", "namespace", "node"]


@pytest.fixture(scope="module")
def image(node: PodRunner, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make images ``stand-in/*`` of Spark's manner."""
    from tests.integration.spark_k8s.operating import PROGRAMS  # it needs Airflow

    if not node.isolate:
        pytest.skip("needs root: an image's files are laid over the host's")
    node.images[PATTERN] = stand_in(tmp_path_factory.mktemp("image"), PROGRAMS)


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Return gates at which drivers wait; all are closed."""
    made = Gates()
    yield made
    made.close()


@pytest.fixture
def scan(namespace: Namespace, node: PodRunner) -> Iterator[Scan]:
    """See to it that the secret of :mod:`~tests.integration.spark_k8s.operating` is in Secrets and nowhere else, as long as the test runs."""
    with Scan(namespace, node) as found:
        yield found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail a test of the operator whose output shows the secret."""
    report = yield
    if "scan" in getattr(item, "fixturenames", ()):
        check_report(report)
    return report
