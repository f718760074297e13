# SPDX-License-Identifier: Apache-2.0
"""YAML text -> data, within limits. What is wrong becomes a finding with its line and column, never an exception."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ryaml import InvalidYamlError, loads  # type: ignore[attr-defined]  # its stub exports nothing by name

from dag_factories.findings import Finding
from dag_factories.positions import LINE_BREAK, Node, Position, Tree, key_text, parse_tree
from dag_factories.project import ReadLimits

# Where one of these stands, the text may hold a tag, or an alias, which the fast parser drops or copies without a word.
_SUSPICIOUS = re.compile(r"(?:^|[\s,\[{(:-])(?:[!&*]|<<\s*:)", re.MULTILINE)
_MARKS = ("!", "&", "*", "<<")  # without one of these the text is not suspicious, and this is far quicker
_CONTROL = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])
_NESTED = (dict, list)
_PIECE = 64 * 1024
_STANDARD_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
)


@dataclass(frozen=True)
class Document:
    """A YAML file that was read.

    Attributes:
        file: The file, as findings name it.
        text: Its text; empty where it could not be read.
        data: Its mapping; empty where there is none.
        findings: What is wrong with it as YAML.
    """

    file: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @cached_property
    def tree(self) -> Tree:
        """Where everything stands; made when it is first asked for."""
        return parse_tree(self.text)

    def find(self, path: Sequence[Any], *, on_key: bool = False, offset: int | None = None) -> Position:
        """Return where a value stands; see :meth:`dag_factories.positions.Tree.find`."""
        return self.tree.find(path, on_key=on_key, offset=offset)


def read(path: Path, file: str, limits: ReadLimits | None = None, content: bytes | None = None) -> Document:
    """Read a YAML file.

    Args:
        path: Where it is.
        file: What findings call it.
        limits: Its limits.
        content: Its bytes, where they have been read already; one more than the limit is enough.
    """
    limits = limits or ReadLimits()
    try:
        content = read_bytes(path, limits.file_bytes + 1) if content is None else content
    except OSError as error:
        code = "FILE_MISSING" if isinstance(error, FileNotFoundError) else "FILE_UNREADABLE"
        reason = f"the file cannot be read: {error.strerror or error}"
        return _broken(file, "", Position(1, 1), (code, reason, "check the path and its permissions"))
    if len(content) > limits.file_bytes:
        message = f"the file is larger than {limits.file_bytes} bytes"
        return _broken(file, "", Position(1, 1), ("FILE_TOO_LARGE", message, "split it: one pipeline a file"))
    return parse(content, file, limits)


def read_bytes(path: Path, most: int) -> bytes:
    """Return the first ``most`` bytes of a file.

    Raises:
        OSError: It cannot be read.
    """
    # Small pieces: memory for the largest file that is allowed costs more than all of the reading.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = piece = os.read(descriptor, min(most, _PIECE))
        while piece and len(content) < most:
            piece = os.read(descriptor, min(most - len(content), _PIECE))
            content += piece
    finally:
        os.close(descriptor)
    return content


def parse(content: bytes, file: str, limits: ReadLimits | None = None) -> Document:
    """Parse the bytes of a YAML file; see :func:`read`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = _position(content[: error.start].decode("utf-8", "replace"))
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        return _broken(file, "", at, ("NOT_UTF8", message, "save the file as UTF-8"))
    if len(content.translate(None, _CONTROL)) < len(content):
        offset, control = next((index, ord(found)) for index, found in enumerate(text) if found.encode() in _CONTROL)
        message = f"control character U+{control:04X} is not allowed in YAML"
        return _broken(file, text, _position(text[:offset]), ("CONTROL_CHARACTER", message, "delete it"))
    return _Parsing(file, text, limits or ReadLimits()).document()


class _Parsing:
    """One text on its way to data: first the fast parser, and the slow look at its structure only where there is a reason."""

    def __init__(self, file: str, text: str, limits: ReadLimits) -> None:
        self.file, self.text, self.limits = file, text, limits
        self.findings: list[Finding] = []

    def document(self) -> Document:
        try:
            data = loads(self.text)
        except (InvalidYamlError, ValueError, TypeError) as error:
            return self.broken(str(error))
        if data is None or data == {}:
            self.add(
                Position(1, 1), "EMPTY_FILE", "the file holds nothing", "start one with `dataops new bronze_to_silver`"
            )
        elif not isinstance(data, dict):
            message = f"the file holds {'a list' if isinstance(data, list) else 'a single value'}, not keys and values"
            self.add(Position(1, 1), "NOT_A_MAPPING", message, "start it with version: 1 and kind: bronze_to_silver")
        elif _is_suspicious(self.text) or not _within(data, self.limits.nodes, self.limits.depth):
            tree = self.structure()
            data = self.rest(tree) if self.findings else data
        return self.result(data)

    def broken(self, reason: str) -> Document:
        """Say where the text breaks; where it only repeats itself, read on with the first of each key."""
        tree = self.structure()
        if tree.error:
            message, at, began = tree.error
            self.add(at, *_explain(message, at, began, self.text))
        elif not self.findings:
            found = re.search(r" at line (\d+) column (\d+)", reason)
            at = Position(int(found[1]), int(found[2])) if found else Position(1, 1)
            self.add(at, *_explain(re.sub(r" at (line|position) \d+( column \d+)?", "", reason), at, None, self.text))
        return self.result(self.rest(tree))

    def rest(self, tree: Tree) -> Any:
        """Return what can be read on with: nothing of a text that breaks off or is too large."""
        if tree.error or tree.root is None or any(finding.code.startswith("LIMIT_") for finding in self.findings):
            return None
        return _data(tree, tree.root)

    def structure(self) -> Tree:
        """Look for what the fast parser hides: tags, repeated keys, further documents, aliases that grow, depth."""
        tree = parse_tree(self.text, max_depth=self.limits.depth + 1)
        for node, depth in tree.walk():
            if depth > self.limits.depth:
                message = f"values are nested deeper than {self.limits.depth} levels"
                self.add(node.at, "LIMIT_DEPTH", message, "write it flatter")
                return tree
            self.look_at(tree, node)
        for at in tree.later_documents:
            self.add(
                at,
                "MULTIPLE_DOCUMENTS",
                "a second YAML document starts here",
                "one pipeline a file: move it into its own",
            )
        if not tree.error:
            self.measure(tree)
        return tree

    def measure(self, tree: Tree) -> None:
        """Look at the size and the depth that the file has once every alias is written out."""
        nodes, depth = _grown(tree, self.limits.nodes, self.limits.depth)
        at = next((node.at for node, _ in tree.walk() if node.kind == "alias"), Position(1, 1))
        if nodes > self.limits.nodes:
            message = f"the file holds more than {self.limits.nodes} values, each use of an alias counted"
            self.add(at, "LIMIT_NODES", message, "write it without aliases, or split it")
        elif depth > self.limits.depth:
            message = f"values are nested deeper than {self.limits.depth} levels, each use of an alias counted"
            self.add(at, "LIMIT_DEPTH", message, "write it flatter")

    def look_at(self, tree: Tree, node: Node) -> None:
        if node.tag is not None and node.tag not in _STANDARD_TAGS:
            message = f"unknown tag {_short(node.tag)}: a pipeline file holds plain values only"
            self.add(node.at, "UNKNOWN_TAG", message, "delete the tag; a text that starts with ! goes in quotes")
        if node.kind == "alias" and node.anchor not in tree.anchors:
            self.add(
                node.at,
                "UNKNOWN_ANCHOR",
                f"*{node.anchor} is defined nowhere",
                "a text that starts with * goes in quotes",
            )
        seen: dict[str, Node] = {}
        for key, _ in node.entries:
            if tree.resolve(key).kind != "scalar":
                self.add(key.at, "COMPLEX_KEY", "a key is a text, not a list or a mapping", "write the key as a text")
            elif key.text in seen:
                message = f"the key {key.text!r} stands here for the second time; the first is in line {seen[key.text].at.line}"
                self.add(key.at, "DUPLICATE_KEY", message, "delete one of them")
            elif key.text == "<<" and not key.style:
                self.add(
                    key.at,
                    "MERGE_KEY",
                    "<< is not part of YAML 1.2",
                    "repeat the keys, or set them once in dataops.yaml",
                )
            seen.setdefault(key.text, key)

    def add(self, at: Position, code: str, message: str, suggestion: str | None) -> None:
        self.findings.append(Finding(self.file, at.line, at.column, "error", code, message, suggestion))

    def result(self, data: Any) -> Document:
        return Document(self.file, self.text, data if isinstance(data, dict) else {}, tuple(self.findings))


def _broken(file: str, text: str, at: Position, what: tuple[str, str, str]) -> Document:
    return Document(file, text, {}, (Finding(file, at.line, at.column, "error", *what),))


def _position(before: str) -> Position:
    lines = LINE_BREAK.split(before.removeprefix("\ufeff"))
    return Position(len(lines), len(lines[-1]) + 1)


def _is_suspicious(text: str) -> bool:
    return any(mark in text for mark in _MARKS) and _SUSPICIOUS.search(text) is not None


def _within(data: Any, nodes: int, depth: int) -> bool:
    """Return whether the data has no more values and levels than allowed; ends as soon as it is clear."""
    parents, count, level = [data], 1, 0
    while parents:
        level += 1
        below: list[Any] = []
        for parent in parents:
            children = parent
            count += len(parent)
            if isinstance(parent, dict):
                count += len(parent)  # a key counts as its value does
                children = parent.values()
            if count > nodes or level + bool(parent) > depth:
                return False
            below += [child for child in children if isinstance(child, _NESTED)]
        parents = below
    return True


def _grown(tree: Tree, nodes: int, depth: int) -> tuple[int, int]:
    """Return how many values and levels there are with every alias written out; ends above a limit, as an alias in itself does."""
    stack, count, deepest = [(tree.root, 1)] if tree.root else [], 0, 0
    while stack and count <= nodes and deepest <= depth:
        node, level = stack.pop()
        node = tree.resolve(node)
        count, deepest = count + 1, max(deepest, level)
        stack.extend((child, level + 1) for child in node.items)
        for key, value in node.entries:
            stack += [(key, level + 1), (value, level + 1)]
    return count, deepest


def _data(tree: Tree, node: Node) -> Any:
    """Build the data from nodes: the first of a repeated key wins, tags are left out."""
    node = tree.resolve(node)
    if node.kind == "list":
        return [_data(tree, item) for item in node.items]
    if node.kind == "map":
        data: dict[str, Any] = {}
        for key, value in node.entries:
            if tree.resolve(key).kind == "scalar":
                data.setdefault(tree.resolve(key).text, _data(tree, value))
        return data
    if node.style or node.kind == "alias":
        return node.text
    try:
        return loads(node.text)
    except (InvalidYamlError, ValueError):
        return node.text


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix("tag:yaml.org,2002:") if tag.startswith("tag:yaml.org,2002:") else tag


# Words of the parser -> code, and message or None for its own, and what to type. The first that fits.
_KNOWN: tuple[tuple[str, str, str | None, str], ...] = (
    ("tab character", "TAB_INDENT", "a tab stands where YAML wants spaces", "indent with spaces"),
    ("recursion limit", "LIMIT_DEPTH", "values are nested too deep, or an alias contains itself", "write it flatter"),
    ("repetition limit", "LIMIT_NODES", "the aliases grow without end", "write it without aliases"),
    ("28, expected any YAML value", "NUMBER_TOO_LARGE", "a whole number has at most 64 bits", "write it in quotes"),
    ("unhashable", "COMPLEX_KEY", "a key is a text, not a list or a mapping", "write the key as a text"),
    (
        "mapping values are not",
        "YAML_SYNTAX",
        None,
        "a text with a colon goes in quotes; or the line is indented too far",
    ),
    ("cannot start any token", "YAML_SYNTAX", None, "a text that starts with @, ` or % goes in quotes"),
    ("expected ',' or", "YAML_SYNTAX", None, "close the bracket, or put a comma between the values"),
    ("unexpected end of stream", "YAML_SYNTAX", None, "close the quote"),
    ("quoted scalar", "YAML_SYNTAX", None, "write a backslash as \\\\, or use single quotes"),
    ("scanning an alias", "YAML_SYNTAX", None, "a text that starts with * goes in quotes"),
    ("scanning an anchor", "YAML_SYNTAX", None, "a text that starts with & goes in quotes"),
    ("expected key", "YAML_SYNTAX", None, "indent the keys of one block alike"),
    ("expected <block end>", "YAML_SYNTAX", None, "indent the keys of one block alike"),
    ("could not find expected ':'", "YAML_SYNTAX", None, "write key: value, with a space after the colon"),
)


def _explain(message: str, at: Position, began: Position | None, text: str) -> tuple[str, str, str | None]:
    """Return code, message and suggestion for a syntax error in the parser's words."""
    lines = LINE_BREAK.split(text)
    if at.line <= len(lines) and lines[at.line - 1][at.column - 1 :].startswith("\t"):
        message = "tab character"
    since = f" (begun in line {began.line}, column {began.column})" if began and began != at else ""
    own = f"not valid YAML: {message.strip(', ')}{since}"
    for words, code, better, hint in _KNOWN:
        if words in message:
            return code, better or own, hint
    return "YAML_SYNTAX", own, None


__all__ = ["Document", "key_text", "parse", "read", "read_bytes"]
