# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.spark_k8s.merge import merge

names = st.text("abc", min_size=1, max_size=2)
scalars = st.none() | st.booleans() | st.integers() | st.text("xyz", max_size=2)
entries = st.fixed_dictionaries({"name": names}, optional={"value": st.text("xyz"), "n": st.integers()})
lists = st.lists(entries, max_size=4, unique_by=lambda entry: entry["name"])
containers = st.lists(
    st.fixed_dictionaries({"name": names}, optional={"env": lists, "image": st.text("xyz")}),
    max_size=3,
    unique_by=lambda entry: entry["name"],
)
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "containers": containers,
        "volumes": lists,
        "env": lists,
        "other": plain,
        "tolerations": st.lists(entries),
    },
)


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_none(part) for key, part in value.items() if part is not None}
    return [without_none(part) for part in value] if isinstance(value, list) else value


@given(documents, documents)
def test_neither_document_is_changed(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = copy.deepcopy((base, over))
    merged = merge(base, over)
    for key in merged:
        if isinstance(merged[key], list):
            merged[key].append("changed later")
    assert (base, over) == before


@given(documents)
def test_an_empty_document_changes_nothing(base: dict[str, Any]) -> None:
    assert merge(base, {}) == without_none(base) == merge({}, base)


@given(documents, documents)
def test_merging_twice_is_merging_once(base: dict[str, Any], over: dict[str, Any]) -> None:
    once = merge(base, over)
    assert merge(once, over) == once


@given(documents, documents)
def test_every_name_of_both_is_there_once(base: dict[str, Any], over: dict[str, Any]) -> None:
    for key in ("containers", "volumes", "env"):
        if key in base and key in over:
            found = [entry["name"] for entry in merge(base, over)[key]]
            assert sorted(found) == sorted({entry["name"] for entry in [*base[key], *over[key]]})


@given(lists, lists)
def test_the_later_entry_takes_the_whole_place(base: list[Any], over: list[Any]) -> None:
    merged = {entry["name"]: entry for entry in merge({"env": base}, {"env": over})["env"]}
    assert [merged[entry["name"]] for entry in over] == over


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": 1}, {"a": None}, {}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {}}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {}}}]},
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {}}}, {"name": "B", "value": "2"}]},
        ),
        (
            {"volumes": [{"name": "tmp", "emptyDir": {}}]},
            {"volumes": [{"name": "tmp", "persistentVolumeClaim": {"claimName": "c"}}]},
            {"volumes": [{"name": "tmp", "persistentVolumeClaim": {"claimName": "c"}}]},
        ),
        (
            {"ports": [{"containerPort": 1, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 1, "name": "x"}, {"containerPort": 1, "protocol": "UDP"}]},
            {"ports": [{"containerPort": 1, "name": "x"}, {"containerPort": 1, "protocol": "UDP"}]},
        ),
        (
            {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}], "image": "i"}]},
            {"containers": [{"name": "b"}, {"name": "a", "env": [{"name": "Y", "value": "2"}]}]},
            {
                "containers": [
                    {"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}], "image": "i"},
                    {"name": "b"},
                ]
            },
        ),
        (
            {"volumeMounts": [{"name": "a", "mountPath": "/x"}]},
            {"volumeMounts": [{"name": "b", "mountPath": "/x"}]},
            {"volumeMounts": [{"name": "b", "mountPath": "/x"}]},
        ),
        ({"containers": {"odd": 1}}, {"containers": [{"name": "a"}]}, {"containers": [{"name": "a"}]}),
        ({"env": [{"name": "a"}]}, {"env": [{"value": "nameless"}]}, {"env": [{"value": "nameless"}]}),
    ],
)
def test_who_wins(base: Any, over: Any, merged: Any) -> None:
    assert merge(base, over) == merged
