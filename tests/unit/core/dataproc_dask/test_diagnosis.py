# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask.diagnosis import (
    Reason,
    Remedy,
    diagnose_call,
    diagnose_create,
    diagnose_job,
    is_transient,
    was_ttl,
)
from airflow_dataops.core.machine import CallError, backoff
from tests.unit.core.dataproc_dask.samples import NOW

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("code", "message", "reason", "remedy"),
    [
        (
            "RESOURCE_EXHAUSTED",
            "ZONE_RESOURCE_POOL_EXHAUSTED: the zone does not have enough resources available",
            Reason.STOCKOUT,
            Remedy.NEXT_ZONE,
        ),
        (
            "INTERNAL",
            "The zone 'projects/p/zones/z' does not have enough resources available to fulfill the request.",
            Reason.STOCKOUT,
            Remedy.NEXT_ZONE,
        ),
        (
            "INVALID_ARGUMENT",
            "Multiple validation errors: - Insufficient 'CPUS' quota. Requested 48.0, available 24.0.",
            Reason.QUOTA,
            Remedy.WAIT_FOR_QUOTA,
        ),
        (
            "RESOURCE_EXHAUSTED",
            "Quota 'N2_CPUS' exceeded. Limit: 24.0 in region europe-west1.",
            Reason.QUOTA,
            Remedy.WAIT_FOR_QUOTA,
        ),
        (
            "UNKNOWN",
            "Initialization action failed. Failed action 'gs://b/i.sh', see output in: gs://b/x/dataproc-initialization-script-0_output",
            Reason.INIT_ACTION,
            Remedy.GIVE_UP,
        ),
        (
            "PERMISSION_DENIED",
            "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied",
            Reason.KMS,
            Remedy.GIVE_UP,
        ),
        ("PERMISSION_DENIED", "Required 'actAs' permission", Reason.PERMISSION, Remedy.GIVE_UP),
        ("INVALID_ARGUMENT", "bad image", Reason.REFUSED, Remedy.GIVE_UP),
        ("INVALID_ARGUMENT", "Subnetwork does not have Private Google Access", Reason.NETWORK, Remedy.GIVE_UP),
        (
            "PERMISSION_DENIED",
            "Required 'compute.subnetworks.use' permission for 'projects/p/regions/r/subnetworks/s'",
            Reason.PERMISSION,
            Remedy.GIVE_UP,
        ),
        ("NOT_FOUND", "Subnetwork projects/p/regions/r/subnetworks/s not found", Reason.REFUSED, Remedy.GIVE_UP),
        (
            "RESOURCE_EXHAUSTED",
            "Quota 'CPUS' exceeded for migrated machines",
            Reason.QUOTA,
            Remedy.WAIT_FOR_QUOTA,
        ),
        ("INTERNAL", "Something went wrong", Reason.CREATE_FAILED, Remedy.LATER),
    ],
)
def test_an_error_of_create_is_understood(code: str, message: str, reason: Reason, remedy: Remedy) -> None:
    failure, found = diagnose_create(CallError(code, message))
    assert (failure.code, found) == (reason, remedy)
    assert failure.hint
    assert not is_transient(CallError(code, message)) or remedy is not Remedy.WAIT_FOR_QUOTA


def test_the_log_of_an_init_script_is_found() -> None:
    failure, _ = diagnose_create(CallError("UNKNOWN", "Initialization action failed, see output in: gs://b/x_output."))
    assert failure.log_uri == "gs://b/x_output"


@pytest.mark.parametrize(
    "code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNKNOWN"]
)
def test_what_may_pass_is_transient(code: str) -> None:
    assert is_transient(CallError(code, "try again"))


@pytest.mark.parametrize(
    "code",
    ["PERMISSION_DENIED", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "UNAUTHENTICATED"],
)
def test_what_does_not_pass_is_not(code: str) -> None:
    assert not is_transient(CallError(code))


def test_a_stockout_is_not_transient() -> None:
    assert not is_transient(CallError("RESOURCE_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED"))


def test_a_quota_of_machines_is_not_transient_and_one_of_requests_is() -> None:
    assert not is_transient(CallError("RESOURCE_EXHAUSTED", "Quota 'N2_CPUS' exceeded"))
    assert is_transient(CallError("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Requests' per minute"))


@given(st.integers(-5, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_stays_within_its_bounds(count: int, jitter: float) -> None:
    assert SECOND / 2 <= backoff(count, SECOND, 60 * SECOND, jitter) <= 60 * SECOND


def test_pauses_double_up_to_the_limit() -> None:
    assert [backoff(n, SECOND, 5 * SECOND, 1.0).total_seconds() for n in (1, 2, 3, 4, 5)] == [1, 2, 4, 5, 5]


def test_lost_workers_are_told_from_a_failed_function() -> None:
    assert diagnose_job("ERROR", "", None, ("NO_WORKERS", "no workers left")).code is Reason.NO_WORKERS
    assert diagnose_job("ERROR", "distributed.scheduler.NoWorkerError", None, None).code is Reason.NO_WORKERS
    failed = diagnose_job("ERROR", "exit code 1", "gs://b/driveroutput", ("ZeroDivisionError", "division by zero"))
    assert (failed.code, failed.log_uri) == (Reason.JOB_FAILED, "gs://b/driveroutput")
    assert "division by zero" in failed.message


def test_a_cancelled_job_is_called_so() -> None:
    assert diagnose_job("CANCELLED", "", None, None).code is Reason.JOB_CANCELLED


def test_other_calls_keep_googles_words() -> None:
    failure = diagnose_call(CallError("PERMISSION_DENIED", "no dataproc.clusters.list"), "list the run's clusters")
    assert failure.code is Reason.PERMISSION
    assert "dataproc.clusters.list" in failure.message
    assert diagnose_call(CallError("UNAVAILABLE"), "x").code is Reason.UNREACHABLE


def test_a_cluster_that_reached_its_age_was_deleted_by_its_time_to_live() -> None:
    assert was_ttl(NOW, NOW)
    assert not was_ttl(NOW, NOW + timedelta(hours=1))
    assert not was_ttl(NOW, None)


def test_the_log_is_the_output_and_not_the_script_that_failed() -> None:
    text = "Initialization action failed. Failed action 'gs://code/init.sh', see output in: gs://staging/meta/init-script-0_output."
    failure, _ = diagnose_create(CallError("UNKNOWN", text))
    assert failure.log_uri == "gs://staging/meta/init-script-0_output"
