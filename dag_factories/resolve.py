# SPDX-License-Identifier: Apache-2.0
"""Typed references of a plan -> what a realiser needs: Jinja for Airflow, or the value for a run without it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.run import RunContext
from dag_factories.references import Ref, parse

# Of each reference's model: its fields, which are the parameters of the resolver's method.
_FIELDS: dict[str, frozenset[str]] = {
    "run": frozenset({"template"}),
    "env": frozenset({"template"}),
    "output": frozenset({"task", "key"}),
    "secret": frozenset({"secret"}),
    "file": frozenset({"path"}),
    "folder": frozenset({"path"}),
}
# What Jinja would not give back as it is: its marks, a brace that a reference may follow, line ends that it rewrites or drops.
_JINJA = re.compile(r"\{[{%#]|\{(?=\r|\n?\Z)|\r\n?|\n\Z")
MACROS = "dataops"


class Resolver(Protocol):
    """What becomes of each kind of reference, and of a text that is none."""

    def literal(self, text: str) -> Any: ...

    def text(self, template: str) -> Any: ...

    def output(self, task: str, key: str) -> Any: ...

    def secret(self, secret: str) -> Any: ...

    def file(self, path: str) -> Any: ...

    def folder(self, path: str) -> Any: ...


def resolve(value: Any, by: Resolver) -> Any:
    """Return a plan's value with each reference replaced.

    Args:
        value: JSON-safe; a reference is the dumped model of one (:mod:`dag_factories.plans.model`).
        by: What stands for each.
    """
    if isinstance(value, str):
        return by.literal(value)
    if isinstance(value, list):
        return [resolve(item, by) for item in value]
    if not isinstance(value, dict):
        return value
    if "ref" not in value or not _is_reference(value):
        return {key: resolve(item, by) for key, item in value.items()}
    kind = value["ref"]
    arguments = {name: value[name] for name in _FIELDS[kind]}
    method = getattr(by, "text" if kind in {"run", "env"} else kind)
    return method(**arguments)


def _is_reference(value: dict[str, Any]) -> bool:
    kind = value.get("ref")
    return isinstance(kind, str) and kind in _FIELDS and value.keys() == _FIELDS[kind] | {"ref"}


def replace_references(template: str, literal: Callable[[str], str], reference: Callable[[Ref], str]) -> str:
    """Return ``template`` with every ``${…}`` replaced by ``reference`` and all text between them by ``literal``."""
    parts, at = [], 0
    for ref in parse(template):
        parts += [literal(template[at : ref.start]), reference(ref)]
        at = ref.end
    return "".join([*parts, literal(template[at:])])


class JinjaResolver:
    """References -> Jinja that Airflow renders on the worker, so that the page of a task shows the values.

    The macros are those of :class:`dag_factories.realise.macros.Macros`, under the name :data:`MACROS`.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def literal(self, text: str) -> str:
        """Return Jinja that renders to ``text``, whatever stands in it."""
        if "{" not in text and "\r" not in text and text[-1:] != "\n":
            return text  # most texts: there is nothing to look for
        return _JINJA.sub(lambda found: f"{{{{ {found.group()!r} }}}}", text)

    def text(self, template: str) -> str:
        return replace_references(template, self.literal, _macro)

    def output(self, task: str, key: str) -> str:
        return f"{{{{ ti.xcom_pull(task_ids={task!r})[{key!r}] }}}}"

    def secret(self, secret: str) -> dict[str, str]:
        return {"secret": secret}

    def file(self, path: str) -> str:
        """Return the file's full path: the worker reads it, so a change needs no new parse."""
        return self.literal(os.path.join(self._root, path))

    def folder(self, path: str) -> str:
        return self.literal(os.path.normpath(os.path.join(self._root, path)))


class Unrendered(JinjaResolver):
    """The same for a field that Airflow does not render: texts stand as they are, and only names and paths can be said.

    Args:
        root: The project's folder.
        field: The field's name, for the error.
    """

    def __init__(self, root: Path, field: str) -> None:
        super().__init__(root)
        self._field = field

    def literal(self, text: str) -> str:
        return text

    def text(self, template: str) -> str:
        raise SpecError(
            f"{self._field} is not rendered, so {template} has no value there",
            hint="write the value itself",
            code="REFERENCE_NOT_ALLOWED",
        )

    def output(self, task: str, key: str) -> str:
        return self.text(f"{task}.{key}")


class ValueResolver:
    """References -> values, for a run in this process.

    Args:
        root: The project's folder.
        run: The run; None where there is none to ask.
        lookup: ``env:NAME``, ``var:NAME`` or ``conn:ID.field`` -> value.
        outputs: Task id -> its result's document, of the tasks that ran.
    """

    def __init__(
        self, root: Path, run: RunContext | None, lookup: Callable[[str], str], outputs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._root, self._run, self._lookup, self._outputs = root, run, lookup, outputs

    def literal(self, text: str) -> str:
        return text

    def text(self, template: str) -> str:
        return replace_references(template, str, self._value)

    def output(self, task: str, key: str) -> Any:
        return self._outputs[task][key]

    def secret(self, secret: str) -> dict[str, str]:
        return {"secret": secret}

    def file(self, path: str) -> Any:
        """Return the content of a JSON file.

        Raises:
            InputError: It cannot be read (``FILE_UNREADABLE``).
            SpecError: It is no JSON (``FILE_NOT_JSON``).
        """
        return read_json(self._root / path, path)

    def folder(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._root, path))

    def _value(self, ref: Ref) -> str:
        if ref.kind != "run":
            return self._lookup(f"{ref.kind}:{ref.name}")
        if self._run is None:
            raise SpecError(
                f"${{run.{ref.name}}} has no value here", hint="write it without", code="REFERENCE_NOT_ALLOWED"
            )
        return self._run.value(ref.name)


def read_json(file: Path, shown: str) -> Any:
    """Return the content of a JSON file of the project.

    Raises:
        InputError: It cannot be read (``FILE_UNREADABLE``).
        SpecError: It is no JSON (``FILE_NOT_JSON``).
    """
    try:
        return json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"{shown} cannot be read: {error.strerror or error}",
            hint="paths of files are meant from the folder of dataops.yaml",
            code="FILE_UNREADABLE",
        ) from error
    except ValueError as error:
        raise SpecError(f"{shown} is no JSON: {error}", hint="export the suite again", code="FILE_NOT_JSON") from error


def _macro(ref: Ref) -> str:
    # Names are letters, digits, ".", "_" and "-" (dag_factories.references), so a repr is a Jinja string.
    run = "dag_run, " if ref.kind == "run" else ""
    return f"{{{{ {MACROS}.{ref.kind}({run}{ref.name!r}) }}}}"
