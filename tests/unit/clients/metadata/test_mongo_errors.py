# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.clients.metadata.mongo_errors import Verdict, judged, mongo_error
from airflow_dataops.core.errors import StorageDenied, TransientError


@pytest.mark.parametrize(
    ("error", "others_passed", "verdict"),
    [
        ({"code": 11000, "keyPattern": {"_id": 1}}, True, Verdict.AGAIN),
        ({"code": 11000}, True, Verdict.AGAIN),
        ({"code": 11000, "keyPattern": {"object.uri": 1}}, True, Verdict.REFUSED),
        ({"code": 112}, False, Verdict.AGAIN),
        ({"code": 121}, False, Verdict.REFUSED),
        ({"code": 10334}, False, Verdict.REFUSED),
        ({"code": 13}, True, Verdict.DENIED),
        ({"code": 10107}, True, Verdict.AWAY),
        ({"code": 14031}, True, Verdict.AWAY),  # its disk is full: no event's fault
        ({"code": 424242}, True, Verdict.REFUSED),
        ({"code": 424242}, False, Verdict.AWAY),
        ({}, False, Verdict.AWAY),
    ],
)
def test_a_failed_write_is_judged(error: dict[str, Any], others_passed: bool, verdict: Verdict) -> None:
    assert judged(error, others_passed=others_passed) is verdict


def test_what_may_pass_is_told_from_what_somebody_has_to_mend() -> None:
    assert isinstance(mongo_error("collection a.b", "gone"), TransientError)
    denied = mongo_error("collection a.b", "no", denied=True)
    assert isinstance(denied, StorageDenied)
    assert denied.code == "MONGO_DENIED"
