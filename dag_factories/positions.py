# SPDX-License-Identifier: Apache-2.0
"""Where each key and value of a YAML text stands. Read only when something has to be pointed at.

PyYAML's C parser is asked for events, not for values: it is the same grammar (libyaml) as the fast parser's, so both agree on every
position, and what it would make of a scalar (YAML 1.1) does not matter. See ``docs/adr/0020-two-yaml-parsers.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


class Position(NamedTuple):
    """A place in a text, both from 1."""

    line: int
    column: int


@dataclass
class Node:
    """A value with its place.

    Attributes:
        kind: What it is.
        at: Where it starts.
        tag: Its tag, where one is written.
        anchor: Its own anchor, or, of an alias, the anchor that it names.
        text: Of a scalar, its value as text.
        style: Of a scalar: empty (plain), a quote, ``|`` or ``>``.
        entries: Of a map, its keys and values.
        items: Of a list, its values.
        one_line: Whether a scalar starts and ends on one line.
    """

    kind: Literal["map", "list", "scalar", "alias"]
    at: Position
    tag: str | None = None
    anchor: str | None = None
    text: str = ""
    style: str = ""
    entries: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    one_line: bool = True


@dataclass
class Tree:
    """The nodes of a text, as far as it can be parsed.

    Attributes:
        root: The first document; None where there is none.
        anchors: Anchor -> its node.
        later_documents: Where further documents start.
        error: What ends the parsing early: message, place, and where the broken thing began.
    """

    root: Node | None = None
    anchors: dict[str, Node] = field(default_factory=dict)
    later_documents: list[Position] = field(default_factory=list)
    error: tuple[str, Position, Position | None] | None = None

    def resolve(self, node: Node) -> Node:
        """Return the node that an alias stands for; any other node is itself."""
        seen = 0
        while node.kind == "alias" and node.anchor in self.anchors and seen < len(self.anchors):
            node = self.anchors[node.anchor]
            seen += 1
        return node

    def walk(self) -> Iterator[tuple[Node, int]]:
        """Yield every node with its depth, aliases not followed."""
        stack = [(self.root, 1)] if self.root else []
        while stack:
            node, depth = stack.pop()
            yield node, depth
            children = [part for entry in node.entries for part in entry] + node.items
            stack.extend((child, depth + 1) for child in reversed(children))

    def find(self, path: Sequence[Any], *, on_key: bool = False, offset: int | None = None) -> Position:
        """Return where a value stands, or the nearest thing around it that exists.

        Args:
            path: Keys and indices from the top.
            on_key: True for the key's place instead of the value's.
            offset: Characters into a text value.
        """
        if self.root is None:
            return Position(1, 1)
        node, key = self.root, None
        for step in path:
            child = self._child(self.resolve(node), step)
            if child is None:
                return key.at if key else node.at
            key, node = child
        if on_key and key is not None:
            return key.at
        return _inside(node, offset) if offset else node.at

    def _child(self, node: Node, step: Any) -> tuple[Node | None, Node] | None:
        if node.kind == "list" and isinstance(step, int) and 0 <= step < len(node.items):
            return None, node.items[step]
        name = key_text(step)
        return next(((key, value) for key, value in node.entries if key.text == name), None)


def key_text(key: Any) -> str:
    """Return a parsed key as it is written: true, null and numbers included."""
    return {True: "true", False: "false", None: "null"}[key] if key is None or isinstance(key, bool) else str(key)


def parse_tree(text: str, *, max_depth: int = 200) -> Tree:
    """Return the nodes of a text. Never raises: a text that breaks off leaves what stood before, and ``error``.

    Args:
        text: The whole file.
        max_depth: Parsing stops at a deeper nesting than this.
    """
    import yaml

    tree, open_nodes = Tree(), list[tuple[Node, list[Node]]]()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not _take(tree, event, open_nodes, yaml) or len(open_nodes) > max_depth:
                break
    except yaml.MarkedYAMLError as error:
        tree.error = _error(error)
    except yaml.YAMLError as error:
        tree.error = (str(error), Position(1, 1), None)
    for node, parts in reversed(open_nodes):
        _close(node, parts)
    return tree


def _take(tree: Tree, event: Any, open_nodes: list[tuple[Node, list[Node]]], yaml: Any) -> bool:
    """Take one event of the parser; returns whether to go on."""
    at = Position(event.start_mark.line + 1, event.start_mark.column + 1)
    if isinstance(event, yaml.DocumentStartEvent) and tree.root is not None:
        tree.later_documents.append(at)
        return False
    if isinstance(event, yaml.CollectionEndEvent):
        _close(*open_nodes.pop())
    elif isinstance(event, yaml.NodeEvent):
        node = _node(event, at, yaml)
        _attach(tree, node, open_nodes)
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((node, []))
    return True


def _node(event: Any, at: Position, yaml: Any) -> Node:
    if isinstance(event, yaml.AliasEvent):
        return Node("alias", at, anchor=event.anchor)
    if isinstance(event, yaml.ScalarEvent):
        one_line = event.start_mark.line == event.end_mark.line
        return Node("scalar", at, event.tag, event.anchor, event.value, (event.style or "").strip(), one_line=one_line)
    kind: Literal["map", "list"] = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
    return Node(kind, at, event.tag, event.anchor)


def _attach(tree: Tree, node: Node, open_nodes: list[tuple[Node, list[Node]]]) -> None:
    if open_nodes:
        open_nodes[-1][1].append(node)
    else:
        tree.root = node
    if node.anchor and node.kind != "alias":
        tree.anchors[node.anchor] = node


def _close(node: Node, parts: list[Node]) -> None:
    if node.kind == "list":
        node.items = parts
    else:
        node.entries = list(zip(parts[::2], parts[1::2], strict=False))


def _error(error: Any) -> tuple[str, Position, Position | None]:
    mark, context = error.problem_mark or error.context_mark, error.context_mark
    at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    began = Position(context.line + 1, context.column + 1) if context else None
    message = " ".join(part for part in (error.problem, error.context) if part)
    return message, at, began


def _inside(node: Node, offset: int) -> Position:
    """Return where the character ``offset`` of a text value stands, as exactly as its style lets one say."""
    if node.style == "|":
        before = node.text[:offset]
        return Position(node.at.line + 1 + before.count("\n"), 1)
    if not node.one_line or node.style == ">":
        return node.at
    return Position(node.at.line, node.at.column + offset + (1 if node.style else 0))
