# SPDX-License-Identifier: Apache-2.0
"""Kinds are found by their files, and each brings what the command needs."""

from __future__ import annotations

from importlib import import_module

import pytest

from airflow_dataops.core.errors import SpecError
from dag_factories.specs import kinds, spec_of
from dag_factories.specs.base import PipelineSpec


def test_a_shared_module_is_no_kind() -> None:
    assert "bronze_to_silver" in kinds()
    assert not {"base", "values", "arguments", "masks", "limits"} & set(kinds())


@pytest.mark.parametrize("kind", kinds())
def test_a_kind_has_a_spec_a_plan_and_an_example(kind: str) -> None:
    module = import_module(f"dag_factories.specs.{kind}")
    assert issubclass(spec_of(kind), PipelineSpec)
    assert spec_of(kind).model_fields["kind"].annotation.__args__ == (kind,)  # type: ignore[union-attr]
    assert callable(import_module(f"dag_factories.plans.{kind}").PLAN)
    assert f"kind: {kind}" in module.EXAMPLE
    assert module.SAMPLE


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'bronze_to_silver'"):
        spec_of("bronze_to_sliver")
