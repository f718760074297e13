# SPDX-License-Identifier: Apache-2.0
"""Terraform files as plain data: enough to hold policies against them, without terraform and without the cloud."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcl2

FOLDER = Path(__file__).parents[3] / "infra" / "gcp"
META = {"for_each", "provider", "depends_on", "lifecycle", "provisioner", "connection"}


@dataclass(frozen=True)
class Block:
    """A resource or data source: ``kind`` is ``resource`` or ``data``."""

    kind: str
    type: str
    name: str
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}.{self.type}.{self.name}"

    def nested(self, name: str) -> list[dict[str, Any]]:
        """Return the blocks of this name right inside, those that ``dynamic`` makes included."""
        return nested(self.body, name)


@dataclass
class Module:
    """All files of a folder."""

    blocks: list[Block] = field(default_factory=list)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    locals: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    text: str = ""

    def of(self, *types: str) -> list[Block]:
        """Return the resources of these types."""
        return [block for block in self.blocks if block.kind == "resource" and block.type in types]


def parse(text: str) -> Module:
    """Read the text of one or more files."""
    document = hcl2.load(io.StringIO(text))
    module = Module(text=text)
    for kind in ("resource", "data"):
        for found in document.get(kind, []):
            for type_name, named in _clean(found).items():
                module.blocks += [Block(kind, type_name, name, body) for name, body in named.items()]
    for found in document.get("variable", []):
        module.variables |= _clean(found)
    for found in document.get("output", []):
        module.outputs |= _clean(found)
    for found in document.get("locals", []):
        module.locals |= _clean(found)
    return module


def read() -> Module:
    """Read infra/gcp."""
    return parse("\n".join(path.read_text() for path in sorted(FOLDER.glob("*.tf"))))


def nested(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the blocks of this name in a body; a ``dynamic`` block's content stands for all that it makes."""
    found = body.get(name, [])
    plain = found if isinstance(found, list) else [found]
    made = [inner for dynamic in body.get("dynamic", []) for inner in dynamic.get(name, {}).get("content", [])]
    return [*(one for one in plain if isinstance(one, dict)), *made]


def references(text: str, stem: str) -> set[str]:
    """Return what is named after ``var.``, ``local.`` or a type of resource."""
    return set(re.findall(rf"(?<![\w.]){re.escape(stem)}\.(\w+)", text))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {
            key: inner
            for key, inner in value.items()
            if key not in ("__comments__", "__inline_comments__", "__is_block__")
        }
        return {key.strip('"'): _clean(inner) for key, inner in kept.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


def arguments(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each argument and block of a body, those of ``dynamic`` blocks by their own names."""
    for name, value in body.items():
        if name == "dynamic":
            for dynamic in value:
                yield from ((made, described["content"]) for made, described in dynamic.items())
        elif name not in META:
            yield name, value
