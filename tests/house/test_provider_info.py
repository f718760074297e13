# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told about this provider is valid, exists, and is complete."""

from __future__ import annotations

import importlib
import inspect
import json
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from airflow_dataops.provider_info import get_provider_info
from tests.house.tree import modules

pytestmark = pytest.mark.airflow
INFO = get_provider_info()


def load(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def classes_in(package: str, base: type) -> set[str]:
    """Return the dotted paths of the public classes below ``package`` that are ``base``'s children."""
    found = {
        f"{cls.__module__}.{name}"
        for module in modules(f"airflow_dataops.{package}")
        for name, cls in inspect.getmembers(importlib.import_module(module), inspect.isclass)
        if issubclass(cls, base) and not inspect.isabstract(cls) and not name.startswith("_")
    }
    return {path for path in found if path.startswith("airflow_dataops.")}


def test_it_has_the_shape_that_this_airflow_wants() -> None:
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(INFO, schema)


def test_airflow_finds_it() -> None:
    [entry] = [
        entry for entry in entry_points(group="apache_airflow_provider") if entry.value.startswith("airflow_dataops")
    ]
    assert entry.load()() == INFO


def test_every_link_class_is_listed_and_no_other() -> None:
    from airflow.providers.common.compat.sdk import BaseOperatorLink

    assert set(INFO.get("extra-links", [])) == classes_in("links", BaseOperatorLink)


def test_every_notifier_is_listed_and_no_other() -> None:
    from airflow.providers.common.compat.sdk import BaseNotifier

    assert set(INFO.get("notifications", [])) == classes_in("notifications", BaseNotifier)


@pytest.mark.parametrize("kind", INFO.get("connection-types", []), ids=lambda kind: kind["connection-type"])
def test_a_connection_type_has_the_hook_that_it_names(kind: dict[str, Any]) -> None:
    hook = load(kind["hook-class-name"])
    assert hook.conn_type == kind["connection-type"]
    assert hook.hook_name == kind["hook-name"]


@pytest.mark.parametrize("group", ["airflow.plugins", "airflow_dataops.notifiers", "console_scripts"])
def test_every_entry_point_of_ours_can_be_loaded(group: str) -> None:
    ours = [
        entry for entry in entry_points(group=group) if entry.dist is not None and entry.dist.name == "airflow-dataops"
    ]
    assert ours
    for entry in ours:
        assert callable(entry.load()), entry
