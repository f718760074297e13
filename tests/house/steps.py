# SPDX-License-Identifier: Apache-2.0
"""What a job does to a lake, in order, read from its source: changes, deletions, and the fault points between them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# Calls that change a lake or a table. `rewrite` and the like are our own functions, and are looked into.
CHANGES = {
    "write_document", "write_bytes", "write_file", "write_table", "write_index", "write_step_spec", "write_step_result", "write_spec",
    "write_result", "write_text", "copy_all", "take_all", "replace_if", "mark", "Lease", "add_columns", "mkdir", "makedirs", "rename", "link", "open_w",
}  # fmt: skip
OF_DELTA = {"create", "commit", "add_columns"}
DELETIONS = {"delete", "delete_tree", "prune", "unlink", "rmdir", "rmtree", "vacuum"}
# Each writes one document or file whole; what is inside of them is their own tests' affair.
WHOLE = {
    "airflow_dataops.jobs.records",
    "airflow_dataops.clients.storage",
    "airflow_dataops.clients.delta",
    "airflow_dataops.clients.lease",
}


@dataclass(frozen=True)
class Event:
    """Something that a job does: ``change``, ``deletion`` or ``point``, and where in the source."""

    kind: str
    name: str
    where: str


@dataclass
class Module:
    """A module's functions and what its names stand for.

    Attributes:
        name: Dotted name.
        functions: Name (``Class.method`` for a method) -> its definition.
        names: Name -> dotted names that are imported under it, at the top or inside of a function.
    """

    name: str
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)


def read(name: str, source: str) -> Module:
    """Return what there is in a module's source."""
    tree, found = ast.parse(source), Module(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found.names.setdefault(alias.asname or alias.name, []).append(f"{node.module}.{alias.name}")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found.functions |= {
                f"{node.name}.{each.name}": each for each in node.body if isinstance(each, ast.FunctionDef)
            }
    return found


@dataclass
class Flow:
    """Follows one way through a job after the other, both branches of an ``if``, into all that it calls of ``modules``.

    Attributes:
        modules: What is known.
        events: All that was met.
        gaps: Changes without a fault point between them. A deletion needs one only before a change that follows it.
    """

    modules: Mapping[str, Module]
    events: list[Event] = field(default_factory=list)
    gaps: list[tuple[Event, Event]] = field(default_factory=list)
    _path: tuple[str, ...] = ()
    _returned: list[Event | None] = field(default_factory=list)

    def function(self, module: str, name: str, last: Event | None = None) -> Event | None:
        """Follow a function; return the change or deletion after which no point came."""
        place = f"{module}:{name}"
        if place in self._path:
            return last
        outer, self._path, self._returned = (self._path, self._returned), (*self._path, place), []
        here = self.modules[module]
        end = self._body(here.functions[name].body, here, last)
        returned = self._returned
        self._path, self._returned = outer
        return next((one for one in (end, *returned) if one), None)

    def _body(self, nodes: Iterable[ast.AST], here: Module, last: Event | None) -> Event | None:
        for node in nodes:
            last = self._node(node, here, last)
        return last

    def _node(self, node: ast.AST, here: Module, last: Event | None) -> Event | None:
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            return last
        if isinstance(node, ast.If | ast.IfExp):
            last = self._node(node.test, here, last)
            branches = [_listed(node.body), _listed(node.orelse)]
            return self._either([self._body(branch, here, last) for branch in branches])
        if isinstance(node, ast.With):
            return self._with(node, here, last)
        last = self._body(ast.iter_child_nodes(node), here, last)
        if isinstance(node, ast.Return):
            self._returned.append(last)
            return None
        return self._call(node, here, last) if isinstance(node, ast.Call) else last

    def _with(self, node: ast.With, here: Module, last: Event | None) -> Event | None:
        steps = [point for item in node.items if (point := _step_of(item.context_expr))]
        last = self._body((item.context_expr for item in node.items if not _step_of(item.context_expr)), here, last)
        last = self._body(node.body, here, last)
        for point in steps:
            last = self._meet(Event("point", point, _where(here, node)), last)
        return last

    def _call(self, node: ast.Call, here: Module, last: Event | None) -> Event | None:
        point = _step_of(node)
        if point:
            return self._meet(Event("point", point, _where(here, node)), last)
        name, owner = _called(node)
        kind = _kind(node, name, owner)
        targets = [found for found in _targets(here, name, owner) if self._known(*found)]
        if targets:
            return self._either([self.function(module, function, last) for module, function in targets])
        return self._meet(Event(kind, name, _where(here, node)), last) if kind else last

    def _known(self, module: str, function: str) -> bool:
        return module in self.modules and module not in WHOLE and function in self.modules[module].functions

    def _meet(self, event: Event, last: Event | None) -> Event | None:
        self.events.append(event)
        if event.kind == "point":
            return None
        if event.kind == "change" and last is not None:
            self.gaps.append((last, event))
        return event if event.kind == "change" else last or event

    @staticmethod
    def _either(ends: Iterable[Event | None]) -> Event | None:
        return next((end for end in ends if end), None)


def follow(modules: Mapping[str, Module], module: str, function: str) -> Flow:
    """Follow a function and all that it calls."""
    flow = Flow(modules)
    flow.function(module, function)
    return flow


def points_in(source: str) -> set[str]:
    """Return the names of the fault points that a source hands to a call."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {name for call in calls for argument in _arguments(call) if (name := _point(argument))}


def _kind(node: ast.Call, name: str, owner: str) -> str | None:
    if name in CHANGES or (owner == "delta" and name in OF_DELTA) or (name == "copy" and len(node.args) > 1):
        return "change"
    if name == "open" and any(isinstance(a, ast.Constant) and "w" in str(a.value) for a in node.args[-1:]):
        return "change"
    return "deletion" if name in DELETIONS else None


def _targets(here: Module, name: str, owner: str) -> list[tuple[str, str]]:
    """Where the called function may be: in this module, in one that is imported, or a method of a class of this module."""
    if not owner:
        imported = [dotted.rsplit(".", 1) for dotted in here.names.get(name, [])]
        return [(here.name, name), *((one, other) for one, other in imported)]
    if owner in here.names:
        return [(module, name) for module in here.names[owner]]
    return [(here.name, known) for known in here.functions if known.endswith(f".{name}")]


def _called(node: ast.Call) -> tuple[str, str]:
    """Return name and owner: ``delta.commit(…)`` is ("commit", "delta")."""
    target = node.func
    if isinstance(target, ast.Attribute):
        return target.attr, target.value.id if isinstance(target.value, ast.Name) else "."
    return (target.id, "") if isinstance(target, ast.Name) else ("", ".")


def _step_of(node: ast.expr) -> str | None:
    """The point of ``with step(…, FaultPoint.X)``."""
    return (
        next((name for each in _arguments(node) if (name := _point(each))), None)
        if isinstance(node, ast.Call)
        else None
    )


def _point(node: ast.expr) -> str | None:
    named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "FaultPoint"
    return node.attr if named and isinstance(node, ast.Attribute) else None


def _arguments(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _listed(node: list[ast.stmt] | ast.expr) -> Sequence[ast.AST]:
    return node if isinstance(node, list) else [node]


def _where(here: Module, node: ast.stmt | ast.expr) -> str:
    return f"{here.name}:{node.lineno}"
