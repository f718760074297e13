# SPDX-License-Identifier: Apache-2.0
"""Clusters of the fake, through Google's own client."""

from __future__ import annotations

import pytest

from tests.unit.services.google import Google

exceptions = pytest.importorskip("google.api_core.exceptions")


def test_a_cluster_comes_up_and_says_when_each_state_began(google: Google) -> None:
    cluster = google.create().result(timeout=120)
    assert cluster.status.state.name == "RUNNING"
    assert [status.state.name for status in cluster.status_history] == ["CREATING"]
    assert cluster.status_history[0].state_start_time < cluster.status.state_start_time


def test_an_operation_says_what_it_is_about(google: Google) -> None:
    operation = google.create()
    operation.result(timeout=120)
    metadata = operation.metadata
    assert metadata.cluster_uuid == google.get().cluster_uuid
    assert (metadata.operation_type, metadata.status.state.name) == ("CREATE", "DONE")
    assert [one.state.name for one in metadata.status_history] == ["PENDING", "RUNNING"]


def test_the_same_request_again_makes_nothing_even_when_its_cluster_is_gone(google: Google) -> None:
    first = google.create(request_id="same").operation.name
    google.until("c1", "RUNNING")
    google.delete()
    google.gone()
    assert google.create(request_id="same").operation.name == first
    assert google.listed() == []


def test_a_name_is_taken_while_its_cluster_is_there(google: Google) -> None:
    google.create(request_id="one")
    with pytest.raises(exceptions.AlreadyExists):
        google.create(request_id="two")


def test_a_cluster_is_deleted_by_uuid(google: Google) -> None:
    cluster = google.made()
    with pytest.raises(exceptions.NotFound):
        google.delete(cluster_uuid="00000000-0000-0000-0000-000000000000")
    google.delete(cluster_uuid=cluster.cluster_uuid).result(timeout=120)
    with pytest.raises(exceptions.NotFound):
        google.get()


def test_a_cluster_that_is_being_deleted_is_not_deleted_twice(google: Google) -> None:
    google.project.configure(delete=60)
    google.made()
    google.delete(request_id="first")
    google.delete(request_id="first")
    with pytest.raises(exceptions.FailedPrecondition):
        google.delete(request_id="second")


def test_lists_go_by_labels_and_state_in_pages(google: Google) -> None:
    for number in range(5):
        google.create(f"c{number}", labels={"team": "data" if number < 3 else "other"})
    assert google.listed("labels.team = data", page_size=2) == ["c0", "c1", "c2"]
    assert google.listed("labels.team = other AND clusterName = c3 AND status.state = ACTIVE") == ["c3"]
    with pytest.raises(exceptions.InvalidArgument):
        google.listed("status = ACTIVE")


def test_the_idle_time_of_a_running_cluster_is_changed(google: Google) -> None:
    google.made(config={"lifecycle_config": {"idle_delete_ttl": {"seconds": 600}}})
    change = {
        "cluster_name": "c1",
        "cluster": {"config": {"lifecycle_config": {"idle_delete_ttl": {"seconds": 1200}}}},
        "update_mask": {"paths": ["config.lifecycle_config.idle_delete_ttl"]},
    }
    changed = google.clusters.update_cluster(request=google.place | change).result(timeout=120)
    assert changed.config.lifecycle_config.idle_delete_ttl.total_seconds() == 1200
    assert changed.status.state.name == "RUNNING"


@pytest.mark.parametrize("kind", ["idle_delete_ttl", "auto_delete_ttl"])
def test_times_to_live_fire(google: Google, kind: str) -> None:
    google.project.configure(ttl_divisor=600)
    google.made(config={"lifecycle_config": {kind: {"seconds": 600}}})
    google.gone()
    (billed,) = google.project.bill()["clusters"]
    assert 1 <= billed["seconds"] < 300


def test_a_cluster_with_a_job_is_not_idle(google: Google) -> None:
    google.made(config={"lifecycle_config": {"idle_delete_ttl": {"seconds": 600}}})
    google.submit("import time; time.sleep(3)")
    google.project.configure(ttl_divisor=600)
    assert google.job_until("DONE").status.state.name == "DONE"
    google.gone()


def test_operations_are_listed(google: Google) -> None:
    google.made()
    google.delete().result(timeout=120)
    name = f"projects/{google.project.id}/regions/{google.project.region}/operations"
    found = google.clusters.list_operations({"name": name}).operations
    assert [operation.done for operation in found] == [True, True]
    assert google.clusters.get_operation({"name": found[0].name}) == found[0]
    with pytest.raises(exceptions.NotFound):
        google.clusters.get_operation({"name": f"{name}/none"})


def test_the_bill_counts_from_the_request_until_the_cluster_is_gone(google: Google) -> None:
    google.project.configure(speed=100, create=60, delete=30)
    google.made()
    google.delete()
    google.gone()
    (billed,) = google.project.bill()["clusters"]
    assert billed["gone"] - billed["created"] == billed["seconds"] >= 90
    assert google.project.bill()["seconds"] == billed["seconds"]


@pytest.mark.parametrize(
    ("name", "config", "more"),
    [
        ("c" * 52, {}, {}),
        ("1c", {}, {}),
        ("c1", {}, {"request_id": "r" * 41}),
        ("c1", {"lifecycle_config": {"idle_delete_ttl": {"seconds": 299}}}, {}),
        ("c1", {"lifecycle_config": {"auto_delete_ttl": {"seconds": 599}}}, {}),
        ("c1", {"lifecycle_config": {"auto_delete_ttl": {"seconds": 14 * 86400 + 1}}}, {}),
        ("c1", {"worker_config": {"num_instances": 1}}, {}),
        ("c1", {"gce_cluster_config": {"zone_uri": "us-east1-b"}}, {}),
        ("c1", {"initialization_actions": [{"executable_file": "/init.sh"}]}, {}),
        ("c1", {"encryption_config": {"kms_key": "my-key"}}, {}),
        ("c1", {}, {"labels": {"Team": "data"}}),
        ("c1", {}, {"labels": {f"l{number}": "x" for number in range(33)}}),
    ],
)
def test_what_is_out_of_bounds_is_refused(
    google: Google, name: str, config: dict[str, object], more: dict[str, object]
) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        google.create(name, config, **more)
    assert google.project.bill()["clusters"] == []
