# SPDX-License-Identifier: Apache-2.0
"""Fixtures of a real Kubernetes: import them into a ``conftest.py``.

``kube``: the control plane, for the session. ``node``: its node, which runs pods as processes. ``namespace``: a namespace of its own for one
test, in which Pod Security is ``restricted``, with an account for Airflow and one for drivers.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.kube.accounts import Namespace
from tests.services.kube.binary import HOW_TO_GET_IT, binary
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner


@pytest.fixture(scope="session")
def kube() -> Iterator[KubeServer]:
    """A control plane without a node: pods are made, scheduled nowhere, and stay Pending."""
    program = binary()
    if program is None:
        pytest.skip(HOW_TO_GET_IT)
    with KubeServer(program) as server:
        yield server


@pytest.fixture(scope="session")
def node(kube: KubeServer) -> Iterator[PodRunner]:
    """The node of the control plane."""
    with PodRunner(kube) as runner:
        yield runner


@pytest.fixture
def namespace(kube: KubeServer, node: PodRunner) -> Iterator[Namespace]:
    """A namespace whose pods run."""
    made = Namespace(kube, node.api)
    yield made
    made.remove()
