# SPDX-License-Identifier: Apache-2.0
"""What a step's driver is told, and what it leaves."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import DataOpsError, SpecError, StorageError, from_dict
from airflow_dataops.core.spark_k8s import step
from airflow_dataops.core.spark_k8s.secrets import holds_secret

LEAF = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
JSON = st.recursive(
    LEAF, lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=5), of, max_size=3), max_leaves=6
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_document_comes_back_as_it_went_in(document: dict[str, Any]) -> None:
    assert step.decode(step.encode(document)) == document


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_nothing_takes_the_argument_for_something_else(document: dict[str, Any]) -> None:
    packed = step.encode(document)
    assert set(packed) <= {*string.ascii_letters, *string.digits, "-", "_", "="}
    assert not packed.startswith("-")
    assert not holds_secret(packed)


def test_a_condition_on_a_column_called_token_passes() -> None:
    assert not holds_secret(step.encode({"clean": {"keep_if": ["token = 'x'"]}}))


def test_a_document_that_no_argument_holds_is_refused() -> None:
    noise = "".join(random.Random(1).choices(string.printable, k=200_000))
    with pytest.raises(SpecError) as caught:
        step.encode({"suite": noise})
    assert caught.value.code == "STEP_TOO_LARGE"


@pytest.mark.parametrize("text", ["", "{}", "eJw=", "not base64!", "äö", step.encode({})[:-6]])
def test_what_is_no_packed_step_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        step.decode(text)
    assert caught.value.code == "JOB_SPEC_INVALID"


def result(**more: Any) -> dict[str, Any]:
    return {
        "job": "refine",
        "task": "refine",
        "run": {"key": "k"},
        "rows": {"read": 3},
        "seconds": {"total": 1},
        **more,
    }


@given(
    st.lists(st.text(max_size=200), max_size=10),
    st.lists(st.tuples(st.sampled_from(["critical", "warning"]), st.booleans())),
)
def test_a_result_fits_and_its_rules_are_all_there(reasons: list[str], rules: list[tuple[str, bool]]) -> None:
    told = [{"severity": severity, "passed": passed} for severity, passed in rules]
    message = step.message_of(result(reasons=reasons, rules=told))
    assert len(message.encode()) <= step.LARGEST_MESSAGE
    found = (step.read_message(message) or {})["step"]
    assert sorted(map(str, found["rules"])) == sorted(map(str, told))
    assert found["rows"] == {"read": 3}
    assert found["reasons"] == reasons[: len(found["reasons"])]


def test_what_people_read_gives_way_first() -> None:
    message = step.message_of(
        result(reasons=["ü" * 200] * 10, seconds={f"part {n}": n for n in range(300)} | {"total": 9})
    )
    assert (step.read_message(message) or {})["step"] == result(seconds={"total": 9})


def test_a_result_that_does_not_fit_at_all_is_an_error() -> None:
    with pytest.raises(SpecError) as caught:
        step.message_of(result(table="x" * 5000))
    assert caught.value.code == "RESULT_TOO_LARGE"


def test_an_error_comes_back_with_its_class_and_hint() -> None:
    found = step.read_message(step.failure_message_of(StorageError("no answer", hint="wait", details={"rows": [1]})))
    error = from_dict((found or {})["error"])
    assert (type(error), error.retryable, str(error)) == (StorageError, True, "STORAGE: no answer\n  -> wait")


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_an_error_fits(message: str, hint: str) -> None:
    text = step.failure_message_of(DataOpsError(message, hint=hint))
    assert (step.read_message(text) or {})["error"]["code"] == "DATAOPS"


def test_the_longest_error_fits() -> None:
    for letter in ("x", "ü", "\x01", "𝄞", '"'):
        assert (
            len(step.failure_message_of(DataOpsError(letter * 9999, hint=letter * 9999)).encode())
            <= step.LARGEST_MESSAGE
        )


@pytest.mark.parametrize("text", ["", "Traceback …", "[]", "3", '{"step": 1}', '{"error": "x"}', '{"other": {}}'])
def test_what_a_program_of_somebody_elses_left_is_no_message(text: str) -> None:
    assert step.read_message(text) is None
