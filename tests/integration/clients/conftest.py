# SPDX-License-Identifier: Apache-2.0
"""For clients without Airflow: the fake Dataproc, the real GCS server, and the two ways to brokers: from here, and through a bastion, where
another client asks. Both tell the same, so tests take both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.fixtures import dataproc, dataproc_server, gcs

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.probe import KafkaAccess
    from tests.services.ssh_server import Bastion

__all__ = ["dataproc", "dataproc_server", "gcs"]

_PASSWORD = "bastion-horse-battery"


@pytest.fixture(scope="session")
def ssh() -> Iterator[Bastion]:
    """A bastion that reaches the loopback."""
    pytest.importorskip("asyncssh", reason="needs asyncssh: pip install 'airflow-dataops[kafka-bastion]'")
    from tests.services import ssh_server

    with ssh_server.bastion(names={ssh_server.HOST: ssh_server.HOST}, passwords={"ops": _PASSWORD}) as found:
        yield found


@pytest.fixture(params=["near", "far"])
def way(request: pytest.FixtureRequest) -> Callable[[KafkaAccess], KafkaAccess]:
    """What leads an access from here, or through the bastion."""
    if request.param == "near":
        return lambda access: access
    from airflow_dataops.core.kafka_health.bastion import Bastion

    ssh: Any = request.getfixturevalue("ssh")
    far = Bastion("127.0.0.1", ssh.port, "ops", _PASSWORD, host_key=ssh.host_key)
    return lambda access: replace(access, bastion=far)
