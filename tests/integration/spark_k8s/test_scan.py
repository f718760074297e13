# SPDX-License-Identifier: Apache-2.0
"""The scan for secrets finds them."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.integration.spark_k8s.scanning import Scan, leaks
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.podrunner import PodRunner

SECRET = "what/only=this+test-has"  # other tests look at the processes of this machine, too


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "y", "yz"])
def test_a_secret_is_found_in_base64_wherever_it_stands(before: str, after: str) -> None:
    assert leaks(b64encode(f"{before}{SECRET}{after}".encode()).decode(), SECRET)


def test_another_text_is_none() -> None:
    assert leaks(b64encode(b"some other text of a pod").decode() + "conn:store.password", SECRET) == []


def _leave_it_everywhere(namespace: Namespace, node: PodRunner) -> None:
    with Scan(namespace, node, SECRET) as found:
        namespace.run("p", "sh", "-c", f"echo {SECRET}; sleep 600")
        until(lambda: found.shown("commands of processes"))
        found.look("XCom", {"value": SECRET})


def test_what_a_command_an_object_and_an_xcom_show_is_found(namespace: Namespace, node: PodRunner) -> None:
    with pytest.raises(AssertionError) as failed:
        _leave_it_everywhere(namespace, node)
    for place in ("commands of pods", "commands of processes", "objects", "XCom"):
        assert f"'{place}'" in str(failed.value)
