# SPDX-License-Identifier: Apache-2.0
"""Objects of Kubernetes as YAML, as ``kubectl`` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def yaml_of(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the documents one behind the other, each begun by ``---``; their keys in their order."""
    import yaml

    return "".join("---\n" + yaml.safe_dump(dict(one), sort_keys=False, width=120) for one in documents)
