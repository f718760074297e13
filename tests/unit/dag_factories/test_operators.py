# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_dataops.core.errors import SpecError
from dag_factories.operators import operator_class


@pytest.mark.airflow
def test_a_name_is_a_class_of_its_area() -> None:
    from airflow_dataops.operators.refine import RefineTableOperator

    assert operator_class("refine.RefineTableOperator") is RefineTableOperator


@pytest.mark.parametrize(
    "name", ["", "refine", "os.path.join", "subprocess.Popen.x", "..evil", "refine.RefineTableOperator()", "_job.S"]
)
def test_what_names_no_operator_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="UNKNOWN_OPERATOR"):
        operator_class(name)


@pytest.mark.airflow
@pytest.mark.parametrize(
    ("name", "hint"), [("refine.RefineTabelOperator", "RefineTableOperator"), ("refine.BaseOperator2", "")]
)
def test_a_class_that_is_not_there_is_refused(name: str, hint: str) -> None:
    with pytest.raises(SpecError, match=f"(?s)UNKNOWN_OPERATOR.*{hint}"):
        operator_class(name)


@pytest.mark.airflow
def test_only_operators_can_be_named() -> None:
    with pytest.raises(SpecError, match="UNKNOWN_OPERATOR"):
        operator_class("refine.ResultPageLink")


@pytest.mark.airflow
def test_an_area_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match=r"there is no module airflow_dataops\.operators\.nothing"):
        operator_class("nothing.SomeOperator")
