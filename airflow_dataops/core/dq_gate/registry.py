# SPDX-License-Identifier: Apache-2.0
"""Name -> rule, where the name is known before the rule's module is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from airflow_dataops.core.dq_gate import rules

if TYPE_CHECKING:
    from airflow_dataops.core.dq_gate.rule import Rule

R = TypeVar("R", bound="type[Rule]")


class Registry(Mapping[str, "type[Rule]"]):
    """All rules under one of their names; looking one up imports its module.

    Args:
        modules: Name -> module of :mod:`airflow_dataops.core.dq_gate.rules`.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules
        self._made: dict[str, type[Rule]] = {}

    def __getitem__(self, name: str) -> type[Rule]:
        if name not in self._made:
            import_module(f"{rules.__name__}.{self._modules[name]}")
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def add(self, name: str, cls: type[Rule]) -> None:
        """Take in a rule.

        Raises:
            ValueError: The name is another rule's.
        """
        if name in self._made:
            raise ValueError(f"two rules are called {name!r}: {self._made[name].__name__} and {cls.__name__}")
        self._made[name] = cls


_EXPECTATIONS = {kind: names for kinds in rules.MODULES.values() for kind, names in kinds.items()}

REGISTRY = Registry({kind: module for module, kinds in rules.MODULES.items() for kind in kinds})
"""Short name -> rule."""

GX_REGISTRY = Registry(
    {name: module for module, kinds in rules.MODULES.items() for names in kinds.values() for name in names}
)
"""Name of a Great Expectations' expectation -> rule."""


def rule(kind: str) -> Callable[[R], R]:
    """Register a rule under its short name, and under the expectations that it stands for: :data:`rules.MODULES` has both.

    Raises:
        ValueError: The name is not listed there, or is another rule's.
    """
    if kind not in REGISTRY:
        raise ValueError(f"the rule {kind!r} is not listed in {rules.__name__}")

    def register(cls: R) -> R:
        gx = _EXPECTATIONS[kind]
        for name, registry in [(kind, REGISTRY), *((name, GX_REGISTRY) for name in gx)]:
            registry.add(name, cls)
        cls.kind, cls.gx = kind, gx
        return cls

    return register
