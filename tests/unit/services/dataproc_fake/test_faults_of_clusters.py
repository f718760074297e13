# SPDX-License-Identifier: Apache-2.0
"""Each fault of creating, reading and deleting shows on the wire what it claims."""

from __future__ import annotations

import time

import pytest

from tests.unit.services.google import Google

exceptions = pytest.importorskip("google.api_core.exceptions")


def arm(google: Google, name: str, **how: object) -> Google:
    google.project.arm(name, **how)  # type: ignore[arg-type]
    return google


def test_create_reply_lost(google: Google) -> None:
    arm(google, "create_reply_lost")
    with pytest.raises(exceptions.ServiceUnavailable):
        google.create(request_id="same")
    google.create(request_id="same").result(timeout=120)
    assert len(google.project.bill()["clusters"]) == 1
    first, second = google.project.calls("CreateCluster")
    assert (first["committed"], first["faults"], second["faults"]) == (True, ["create_reply_lost"], [])


@pytest.mark.parametrize("fault", ["create_stockout", "create_quota", "create_kms"])
def test_an_operation_that_fails_leaves_a_cluster_in_error(google: Google, fault: str) -> None:
    words = {"create_stockout": "ZONE_RESOURCE_POOL", "create_quota": "quota", "create_kms": "cloudkms"}
    with pytest.raises(exceptions.GoogleAPICallError, match=words[fault]):
        arm(google, fault).create().result(timeout=120)
    assert google.get().status.state.name == "ERROR"
    assert len(google.project.billing()) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("create_stockout_refused", "ResourceExhausted"),
        ("create_quota_refused", "InvalidArgument"),
        ("create_invalid", "InvalidArgument"),
        ("create_denied", "PermissionDenied"),
    ],
)
def test_a_refusal_makes_nothing(google: Google, fault: str, error: str) -> None:
    with pytest.raises(getattr(exceptions, error)):
        arm(google, fault).create()
    assert google.project.bill()["clusters"] == []


def test_create_stuck(google: Google) -> None:
    operation = arm(google, "create_stuck").create()
    google.project.configure(advance=3600)
    google.wait_a_while()
    assert google.get().status.state.name == "CREATING"
    assert not operation.done()


def test_create_init_action_failed(google: Google) -> None:
    cluster = arm(google, "create_init_action_failed").create().result(timeout=120)
    assert cluster.status.state.name == "ERROR"
    assert f"gs://{google.project.bucket}/" in cluster.status.detail
    log = cluster.status.detail.rpartition(" ")[2]
    assert b"init.sh" in google.project.wait(lambda: google.objects.read(log))


def test_create_vanishes(google: Google) -> None:
    with pytest.raises(exceptions.Cancelled):
        arm(google, "create_vanishes").create().result(timeout=120)
    assert google.listed() == []


@pytest.mark.parametrize(
    ("code", "error"), [("UNAVAILABLE", "ServiceUnavailable"), ("RESOURCE_EXHAUSTED", "ResourceExhausted")]
)
def test_polls_fail_so_many_times(google: Google, code: str, error: str) -> None:
    google.made()
    arm(google, "polls_fail", code=code, times=2)
    for _ in range(2):
        with pytest.raises(getattr(exceptions, error)):
            google.get()
    assert google.get().cluster_name == "c1"


def test_polls_hang_until_the_caller_gives_up(google: Google) -> None:
    google.made()
    arm(google, "polls_hang", times=1, seconds=3600)
    with pytest.raises(exceptions.DeadlineExceeded):
        google.clusters.get_cluster(request=google.place | {"cluster_name": "c1"}, retry=None, timeout=0.5)


def test_foreign_cluster(google: Google) -> None:
    with pytest.raises(exceptions.AlreadyExists):
        arm(google, "foreign_cluster").create()
    assert dict(google.get().labels) == {"team": "other"}
    assert google.project.bill()["clusters"] == []


def test_other_spec(google: Google) -> None:
    with pytest.raises(exceptions.ServiceUnavailable):
        arm(google, "other_spec").create(labels={"dataops-spec": "smine"})
    assert google.get().labels["dataops-spec"] == "sanotherspecification"


def test_stale_request(google: Google) -> None:
    operation = arm(google, "stale_request").create(request_id="used")
    assert operation.done()
    assert operation.metadata.status_history[0].state_start_time.timestamp() < time.time() - 3000
    with pytest.raises(exceptions.NotFound):
        google.get()


def test_reply_held_until_the_caller_is_gone(google: Google) -> None:
    arm(google, "reply_held", method="CreateCluster")
    with pytest.raises(exceptions.DeadlineExceeded):
        google.clusters.create_cluster(
            request=google.place | {"cluster": {"cluster_name": "c1"}}, retry=None, timeout=5
        )
    assert google.get().cluster_name == "c1"


def test_delete_unavailable(google: Google) -> None:
    google.made()
    arm(google, "delete_unavailable", times=1)
    with pytest.raises(exceptions.ServiceUnavailable):
        google.delete()
    assert google.get().status.state.name == "RUNNING"
    google.delete().result(timeout=120)


def test_delete_reply_lost(google: Google) -> None:
    google.made()
    with pytest.raises(exceptions.ServiceUnavailable):
        arm(google, "delete_reply_lost").delete()
    google.gone()


def test_delete_operation_fails(google: Google) -> None:
    google.made()
    with pytest.raises(exceptions.InternalServerError):
        arm(google, "delete_operation_fails").delete().result(timeout=120)
    assert google.get().status.state.name == "RUNNING"


def test_delete_stuck(google: Google) -> None:
    google.made()
    operation = arm(google, "delete_stuck").delete()
    google.project.configure(advance=3600)
    google.wait_a_while()
    assert google.get().status.state.name == "DELETING"
    assert not operation.done()
    assert google.project.bill()["seconds"] > 3600


def test_delete_finds_nothing(google: Google) -> None:
    cluster = google.made()
    with pytest.raises(exceptions.NotFound):
        arm(google, "delete_finds_nothing").delete(cluster_uuid=cluster.cluster_uuid)
    assert google.listed() == []


def test_delete_finds_namesake(google: Google) -> None:
    cluster = google.made()
    with pytest.raises(exceptions.NotFound):
        arm(google, "delete_finds_namesake").delete(cluster_uuid=cluster.cluster_uuid)
    namesake = google.get()
    assert namesake.cluster_uuid != cluster.cluster_uuid
    assert namesake.status.state.name == "RUNNING"


def test_no_calls(google: Google) -> None:
    arm(google, "no_calls")
    with pytest.raises(exceptions.FailedPrecondition):
        google.listed()
    assert google.project.forbidden() == 1
