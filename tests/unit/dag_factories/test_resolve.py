# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.run import RunContext
from dag_factories.resolve import JinjaResolver, ValueResolver, resolve

RUN = RunContext(
    pipeline="orders",
    key="k",
    interval_start="2024-01-01T00:00Z",
    interval_end="2024-01-02T00:00Z",  # type: ignore[arg-type]
)
JINJA = JinjaResolver(Path("/project"))


class Macros:
    """Stands for the macros of a DAG: answers with what it was asked."""

    def run(self, dag_run: object, name: str) -> str:
        return f"<run.{name}>"

    def __getattr__(self, kind: str):
        return lambda name: f"<{kind}:{name}>"


def render(text: str) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    return environment.from_string(text).render(dataops=Macros(), dag_run=object())


def values(root: Path = Path("/project"), **outputs: dict[str, object]) -> ValueResolver:
    return ValueResolver(root, RUN, lambda name: f"<{name}>", outputs)


@given(st.text(alphabet=st.sampled_from("{}%#\r\n'\"\\ ab-+$")) | st.text())
def test_no_text_is_ever_rendered(text: str) -> None:
    assert render(JINJA.literal(text)) == text


@given(st.text(alphabet=st.sampled_from("{%# ab/\n")), st.text(alphabet=st.sampled_from("}%# ab/\n")))
def test_a_reference_is_rendered_whatever_stands_beside_it(before: str, after: str) -> None:
    assert render(JINJA.text(before + "${run.date}" + after)) == before + "<run.date>" + after


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("${env:LAKE}/x/${run.date}", "<env:LAKE>/x/<run.date>"),
        ("${var:lake.name-2}", "<var:lake.name-2>"),
        ("${conn:lake.extra.endpoint}", "<conn:lake.extra.endpoint>"),
    ],
)
def test_references_become_macros(template: str, rendered: str) -> None:
    assert render(JINJA.text(template)) == rendered


def test_references_become_values() -> None:
    template = {"ref": "env", "template": "${env:LAKE}/day=${run.date}"}
    assert resolve({"path": [template]}, values()) == {"path": ["<env:LAKE>/day=2024-01-01"]}


def test_a_value_is_not_resolved_twice() -> None:
    resolver = ValueResolver(Path("/"), RUN, lambda name: "${run.date}", {})
    assert resolve({"ref": "env", "template": "${env:X}"}, resolver) == "${run.date}"


def test_texts_without_a_reference_model_stay_as_they_are() -> None:
    assert resolve({"rule": "${run.date}", "ref": "run"}, values()) == {"rule": "${run.date}", "ref": "run"}


@pytest.mark.parametrize("by", [JINJA, values()], ids=["jinja", "values"])
def test_a_secret_stays_a_name(by: JinjaResolver | ValueResolver) -> None:
    assert resolve({"ref": "secret", "secret": "env:SALT"}, by) == {"secret": "env:SALT"}


def test_a_task_is_asked_for_its_output() -> None:
    reference = {"ref": "output", "task": "publish", "key": "table"}
    assert resolve(reference, values(publish={"table": "t"})) == "t"
    assert resolve(reference, JINJA) == "{{ ti.xcom_pull(task_ids='publish')['table'] }}"


def test_airflow_gets_the_path_of_a_file() -> None:
    assert resolve({"ref": "file", "path": "suites/x.json"}, JINJA) == "/project/suites/x.json"


def test_a_run_gets_the_content_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"expectations": []}')
    assert resolve({"ref": "file", "path": "x.json"}, values(tmp_path)) == {"expectations": []}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.json cannot be read"):
        resolve({"ref": "file", "path": "x.json"}, values(tmp_path))


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(SpecError, match=r"x\.json is no JSON"):
        resolve({"ref": "file", "path": "x.json"}, values(tmp_path))
