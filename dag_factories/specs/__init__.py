# SPDX-License-Identifier: Apache-2.0
"""YAML -> typed spec: one module a kind, named as the kind, with its model in ``SPEC``."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from airflow_dataops.core.errors import unknown_name
from dag_factories.specs.base import PipelineSpec

_SHARED = frozenset({"arguments", "base", "dask", "edge", "spark", "limits", "masks", "values"})


def kinds() -> list[str]:
    """Return the names of all kinds, sorted; none of them is imported."""
    return list(_kinds())


@cache
def _kinds() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _SHARED))


def spec_of(kind: str) -> type[PipelineSpec]:
    """Return the model of a kind.

    Raises:
        SpecError: There is no such kind (``UNKNOWN_KIND``).
    """
    if kind not in kinds():
        raise unknown_name("kind", kind, kinds(), code="UNKNOWN_KIND")
    spec: type[PipelineSpec] = import_module(f"{__name__}.{kind}").SPEC
    return spec
