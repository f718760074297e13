# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from tests.unit.core.dataproc_dask.samples import IDENTITY, changed, sample

CLUSTER_NAME = re.compile(r"[a-z]([-a-z0-9]{0,49}[a-z0-9])?")
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
identities = st.builds(
    RunIdentity,
    instance=st.text(),
    dag_id=st.text(),
    task_id=st.text(),
    run_id=st.text(),
    map_index=st.integers(-1, 9999),
)


@given(identities, st.integers(1, names.MOST_GENERATIONS))
def test_a_cluster_name_is_one_that_google_takes(identity: RunIdentity, generation: int) -> None:
    name = names.cluster_name(names.base_name(identity), generation)
    assert CLUSTER_NAME.fullmatch(name)
    assert names.generation_of(names.base_name(identity), name) == generation


@given(identities, st.integers(1, 999))
def test_a_job_id_is_one_that_google_takes(identity: RunIdentity, execution: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", names.job_id(names.base_name(identity), "j" * 30, execution))


@given(identities)
def test_labels_are_ones_that_google_takes(identity: RunIdentity) -> None:
    labels = names.run_labels(identity)
    assert [value for value in [*labels, *labels.values()] if not LABEL.fullmatch(value)] == []


@given(identities, identities)
def test_two_runs_have_two_names_and_labels(one: RunIdentity, other: RunIdentity) -> None:
    same = one == other
    assert (names.base_name(one) == names.base_name(other)) is same
    assert names.is_ours(names.run_labels(one), names.run_labels(other)) is same


@pytest.mark.parametrize("generation", [0, 100])
def test_a_run_has_at_most_99_clusters(generation: int) -> None:
    with pytest.raises(SpecError, match="at most 99"):
        names.cluster_name("dd-x", generation)


@pytest.mark.parametrize("name", ["dd-x-g1", "dd-x-g02", "dd-x-g100", "dd-xy", "dd-x-", "other"])
def test_a_name_that_is_none_of_the_runs_has_no_generation(name: str) -> None:
    assert names.generation_of("dd-x", name) is None


def test_a_request_id_is_a_uuid_of_version_5() -> None:
    made = uuid.UUID(names.request_id("dd-x", "create", 1, "b"))
    assert made.version == 5
    assert made == uuid.uuid5(uuid.UUID(bytes=names._NAMESPACE), '["dd-x", "create", 1, "b"]')


def test_a_request_id_tells_name_operation_generation_and_zone_apart() -> None:
    asked = [
        ("a", "create", 1, ""),
        ("b", "create", 1, ""),
        ("a", "delete", 1, ""),
        ("a", "create", 2, ""),
        ("a", "create", 1, "z"),
    ]
    assert len({names.request_id(*parts) for parts in asked}) == len(asked)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cluster.labels", {"team": "other"}),
        ("cluster.idle_delete_ttl", "20m"),
        ("cluster.auto_delete_ttl", "13d"),
        ("cluster.tags", ["dask", "dataproc"]),
        ("policy.attempts", 5),
        ("job.args", {"month": 12}),
    ],
)
def test_what_does_not_make_the_machines_does_not_change_the_clusters_hash(path: str, value: Any) -> None:
    assert names.cluster_hash(DaskRun.model_validate(changed(path, value)).cluster) == names.cluster_hash(
        sample().cluster
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cluster.image_version", "2.3-debian12"),
        ("cluster.environment_uri", "gs://code-bucket/env/new.tar.gz"),
        ("cluster.workers.count", 3),
        ("cluster.runtime", "yarn"),
    ],
)
def test_what_makes_the_machines_changes_the_clusters_hash(path: str, value: Any) -> None:
    whole = changed(path, value) if path != "cluster.workers.count" else changed("cluster.workers", {"count": value})
    assert names.cluster_hash(DaskRun.model_validate(whole).cluster) != names.cluster_hash(sample().cluster)


def test_the_jobs_hash_follows_its_document_and_not_the_place_where_it_lies() -> None:
    def hash_of(path: str, value: Any) -> str:
        job = DaskRun.model_validate(changed(path, value)).job
        assert job is not None
        return names.job_hash(job)

    job = sample().job
    assert job is not None
    assert hash_of("job.spec_uri", "gs://other-bucket/1.json") == names.job_hash(job)
    assert hash_of("job.args", {"month": 12}) != names.job_hash(job)
    assert hash_of("job.spec_hash", "1" * 64) != names.job_hash(job)


@given(st.integers(0, 2**32))
def test_a_moment_comes_back_from_its_label(second: int) -> None:
    whole = datetime.fromtimestamp(second, UTC)
    assert names.moment_of(names.moment_label(whole)) == whole
    assert LABEL.fullmatch(names.moment_label(whole))


@pytest.mark.parametrize("value", [None, "", "t2026", "t20261321-000000z", "soon", "s", "s-1"])
def test_a_label_that_says_nothing_is_none(value: str | None) -> None:
    assert names.moment_of(value) is None
    assert names.seconds_of(value) is None


def test_numbers_come_back_from_their_labels() -> None:
    assert names.seconds_of(names.seconds_label(timedelta(minutes=30))) == timedelta(minutes=30)
    assert names.number_of({names.TRY: "n3"}, names.TRY) == 3
    assert names.number_of({names.TRY: "x"}, names.TRY) == 0


def test_nothing_is_ours_without_labels_of_our_own() -> None:
    assert not names.is_ours({"a": "b"}, {})


def test_the_filter_names_every_label_of_the_run() -> None:
    assert (
        names.list_filter({"managed-by": "airflow-dataops", "dataops-run": "rx"})
        == "labels.managed-by = airflow-dataops AND labels.dataops-run = rx"
    )


def test_the_name_shows_the_task() -> None:
    assert names.base_name(IDENTITY).startswith("dd-by-carrier-")


def test_two_executions_leave_their_files_in_two_folders_beside_the_document() -> None:
    folders = {names.job_folder("gs://bucket/dask/run/doc.json", names.job_id("dd-x", "job", n)) for n in (1, 2)}
    assert folders == {"gs://bucket/dask/run/dd-x-job-x1", "gs://bucket/dask/run/dd-x-job-x2"}
