# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask.document import (
    JobDocument,
    digest,
    document_of,
    encode,
    local_document,
    parse_document,
)
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import DaskJob
from airflow_dataops.core.errors import SpecError
from tests.unit.core.dataproc_dask.samples import changed, document, sample

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def of(run: DaskRun, job: DaskJob | None = None) -> JobDocument:
    wanted = job or run.job
    assert wanted is not None
    return parse_document(document_of(run, wanted))


def on_yarn(**job: Any) -> DaskRun:
    whole = document()
    whole["cluster"]["runtime"] = "yarn"
    whole["job"] |= job
    return DaskRun.model_validate(whole)


def test_it_says_what_to_run_and_on_what() -> None:
    found = of(sample())
    assert (found.name, found.function, found.args) == ("job", "delays.jobs:by_carrier", {"month": 11})
    assert (found.runtime, found.workers, found.schema_version) == ("standalone", None, 1)


def test_it_does_not_name_itself() -> None:
    run = sample()
    assert run.job is not None
    elsewhere = run.job.model_copy(update={"spec_uri": None, "spec_hash": None, "bootstrap_uri": None})
    assert document_of(run, elsewhere) == document_of(run, run.job)


def test_code_of_the_job_is_code_of_the_driver() -> None:
    assert of(DaskRun.model_validate(changed("job.python_file_uris", ["gs://code-bucket/a.zip"]))).code == [
        "gs://code-bucket/a.zip"
    ]


@given(args=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_the_same_content_is_the_same_bytes_in_any_order(args: dict[str, Any]) -> None:
    one = JobDocument(function="m:f", args=args)
    other = JobDocument(function="m:f", args=dict(reversed(args.items())))
    assert encode(one) == encode(other)
    assert parse_document(encode(one), digest(encode(one))) == one


def test_a_changed_byte_is_seen() -> None:
    data = document_of(sample(), DaskJob(function="m:f", args={"day": 1}))
    with pytest.raises(SpecError, match="somebody has changed it") as caught:
        parse_document(data.replace(b'"day":1', b'"day":2'), digest(data))
    assert caught.value.code == "DOCUMENT_CHANGED"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"function": "m"}',
        '{"function": "m:f", "new": 1}',
        '{"function": "m:f", "schema_version": 2}',
        "\xff",
    ],
)
def test_what_is_no_document_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_document(text.encode("latin-1"))
    assert caught.value.code == "DOCUMENT_INVALID"
    assert "dataops package" in str(caught.value)


def test_a_refusal_does_not_show_arguments() -> None:
    text = json.dumps({"function": "m:f", "args": ["hunter2"]})
    with pytest.raises(SpecError) as caught:
        parse_document(text.encode())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("workers", "minimum", "expected"),
    [
        (None, None, 3),
        (None, 2, 2),
        (1, 2, 1),
        (5, None, 5),
        ({"minimum": 2, "maximum": 3}, None, 2),
        ({"minimum": 0, "maximum": 3}, None, 1),
    ],
)
def test_how_many_workers_are_waited_for(workers: Any, minimum: int | None, expected: int) -> None:
    whole = document()
    whole["cluster"] |= {"runtime": "yarn", "workers": {"count": 3, "minimum": minimum}, "secondary": {"count": 4}}
    whole["job"]["workers"] = workers
    assert of(DaskRun.model_validate(whole)).at_least == expected


def test_machines_that_come_later_are_waited_for_as_long_as_they_may_take() -> None:
    fixed, adapting = of(sample()), of(on_yarn(workers={"minimum": 1, "maximum": 2}))
    assert (fixed.wait_for_workers, adapting.wait_for_workers) == (300, 900)


def test_work_without_workers_ends_later_than_machines_may_come_and_long_before_the_run() -> None:
    found = of(on_yarn(workers={"minimum": 1, "maximum": 2}))
    assert found.wait_for_workers < found.no_workers_timeout < timedelta(minutes=120).total_seconds()


def test_several_signs_of_life_come_before_one_is_missed() -> None:
    assert of(sample(heartbeat_stale="1m")).heartbeat == 15
    assert of(sample(heartbeat_stale=None)).heartbeat == 30


def test_letting_go_fits_into_the_grace_of_a_cancelled_job() -> None:
    assert of(sample(deadlines={"cancel": "20s"})).close == 10


@pytest.mark.parametrize(("workers", "expected"), [(None, 2), (1, 1), (9, 2)])
def test_on_one_machine_a_job_gets_no_more_workers_than_fit(workers: int | None, expected: int) -> None:
    found = parse_document(local_document(DaskJob(function="m:f", workers=workers), at_most=2, worker_memory=10**9))
    assert (found.runtime, found.workers, found.at_least, found.worker_memory) == ("local", expected, expected, 10**9)
