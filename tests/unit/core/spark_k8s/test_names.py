# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s import names
from tests.unit.core.spark_k8s.samples import IDENTITY, parts

DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
identities = st.builds(
    RunIdentity,
    instance=st.text(),
    dag_id=st.text(),
    task_id=st.text(),
    run_id=st.text(),
    map_index=st.integers(-1, 9999),
)


@given(identities, st.integers(1, names.MOST_ATTEMPTS))
def test_names_are_ones_that_kubernetes_takes(identity: RunIdentity, attempt: int) -> None:
    driver = names.driver_name(identity, attempt)
    made = [
        driver,
        names.config_name(driver),
        names.secret_name(driver),
        names.service_name(driver),
        f"{driver}-exec-{2**31 - 1}",
    ]
    assert [name for name in made if not DNS_1035.fullmatch(name)] == []
    assert len(driver) <= names.LONGEST_DRIVER_NAME


@given(identities)
def test_labels_are_ones_that_kubernetes_takes(identity: RunIdentity) -> None:
    labels = names.labels_of(parts(), identity, 99)
    assert [value for value in [*labels, *labels.values()] if not LABEL.fullmatch(value)] == []


@given(identities, identities)
def test_two_runs_have_two_names_and_labels(one: RunIdentity, other: RunIdentity) -> None:
    same = one == other
    assert (names.driver_name(one, 1) == names.driver_name(other, 1)) is same
    assert names.owns(names.run_labels(one), names.run_labels(other)) is same


def test_two_attempts_have_two_names_and_one_key() -> None:
    assert names.driver_name(IDENTITY, 1) != names.driver_name(IDENTITY, 2)
    assert names.owns(names.labels_of(parts(), IDENTITY, 2), names.run_labels(IDENTITY))


@given(st.integers(1, names.MOST_ATTEMPTS))
def test_the_attempt_comes_back_from_the_labels(attempt: int) -> None:
    assert names.attempt_of(names.labels_of(parts(), IDENTITY, attempt)) == attempt


@pytest.mark.parametrize("value", ["", "0", "100", "-1", "a", "01", " 1", "1\n"])
def test_a_label_that_names_no_attempt_is_0(value: str) -> None:
    assert names.attempt_of({names.ATTEMPT: value}) == 0
    assert names.attempt_of({}) == 0


@pytest.mark.parametrize("attempt", [0, 100])
def test_a_run_has_at_most_99_drivers(attempt: int) -> None:
    with pytest.raises(SpecError, match="at most 99"):
        names.driver_name(IDENTITY, attempt)


def test_the_name_shows_the_task() -> None:
    assert names.driver_name(IDENTITY, 1).startswith("refine-bronze-to-silv")


@pytest.mark.parametrize("task", ["", "9lives", "___", "日本"])
def test_a_name_begins_with_a_letter(task: str) -> None:
    assert names.driver_name(IDENTITY.model_copy(update={"task_id": task}), 1)[:2] == "s-"


def test_the_users_labels_do_not_take_the_place_of_ours() -> None:
    labels = names.labels_of(parts("app.labels", {"managed-by": "me", "team": "data"}), IDENTITY, 1)
    assert (labels["managed-by"], labels["team"]) == ("airflow-dataops", "data")


def test_the_ids_stand_in_the_annotations_in_full() -> None:
    made = names.annotations_of(parts("app.annotations", {"a": "b"}), IDENTITY)
    assert made["dataops/run-id"] == IDENTITY.run_id
    assert made["a"] == "b"


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        ("app.args", ["other"], False),
        ("app.image", "other", False),
        ("app.driver", {"memory": "2g"}, False),
        ("target.namespace", "other", False),
        ("policy.attempts", 3, True),
        ("target.console", "https://console.example.com", True),
        ("app.driver", {"cores": "0.5", "memory": "1024Mi"}, True),
    ],
)
def test_the_hash_follows_the_program_and_its_place(path: str, value: Any, same: bool) -> None:
    assert (names.spec_hash(parts(path, value)) == names.spec_hash(parts())) is same


def test_nothing_is_ours_without_labels_of_our_own() -> None:
    assert not names.owns({"a": "b"}, {})


def test_the_selector_names_every_label() -> None:
    assert (
        names.selector({"managed-by": "airflow-dataops", "dataops-run": "rx"})
        == "managed-by=airflow-dataops,dataops-run=rx"
    )


@given(st.text(), st.text())
def test_a_label_value_is_as_it_was_or_its_own(one: str, other: str) -> None:
    assert LABEL.fullmatch(names.label_value(one))
    assert (names.label_value(one) == names.label_value(other)) is (one == other)
