# SPDX-License-Identifier: Apache-2.0
"""Write into docs/how-to/edge.md who may talk to whom, and who may do what in Kafka: python tools/edge_tables.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
EDGE, PAGE = ROOT / "infra/edge", ROOT / "docs/how-to/edge.md"
NAME, SPACE = "app.kubernetes.io/name", "kubernetes.io/metadata.name"


def network() -> str:
    """Return a line for each direction that a policy allows."""
    policies = yaml.safe_load_all((EDGE / "base/network.yaml").read_text(encoding="utf-8"))
    lines = ["| policy | from | to | ports | for |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(line for policy in policies for line in _allowed(policy))]) + "\n"


def rights() -> str:
    """Return a line for each user of Kafka."""
    users = json.loads((EDGE / "kafka_rights.json").read_text(encoding="utf-8"))
    lines = ["| user | may |", "|---|---|"]
    for user, found in users.items():
        places: dict[str, list[str]] = {}
        for kind, name, operation in found:
            places.setdefault(f"{kind.lower()} `{name}`", []).append(operation)
        may = "; ".join(f"{place}: {', '.join(several)}" for place, several in places.items())
        lines.append(f"| `{user}` | {may} |")
    return "\n".join(lines) + "\n"


def _allowed(policy: dict[str, Any]) -> Iterator[str]:
    spec, name = policy["spec"], policy["metadata"]["name"]
    why = policy["metadata"].get("annotations", {}).get("dataops/why", "")
    own = _pods(spec["podSelector"])
    for rule in spec.get("ingress", ()):
        yield f"| `{name}` | {_peers(rule['from'])} | {own} | {_ports(rule)} | {why} |"
    for rule in spec.get("egress", ()):
        yield f"| `{name}` | {own} | {_peers(rule['to'])} | {_ports(rule)} | {why} |"


def _pods(selector: dict[str, Any]) -> str:
    labels = selector.get("matchLabels", {})
    names = [labels[NAME]] if NAME in labels else []
    names += [name for one in selector.get("matchExpressions", ()) for name in one["values"]]
    return ", ".join(f"`{name}`" for name in names) or "all pods"


def _peers(peers: list[dict[str, Any]]) -> str:
    return ", ".join(_peer(peer) for peer in peers)


def _peer(peer: dict[str, Any]) -> str:
    if "ipBlock" in peer:
        return "addresses of the overlay"
    space = peer["namespaceSelector"]["matchLabels"][SPACE]
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    return " ".join([f"namespace `{space}`", *(f"(`{key}: {value}`)" for key, value in labels.items())])


def _ports(rule: dict[str, Any]) -> str:
    return ", ".join(f"{port['port']}/{port['protocol']}" for port in rule["ports"])


def filled(page: str) -> str:
    """Return the page with the tables of today."""
    for mark, table in (("network", network()), ("rights", rights())):
        begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
        before, rest = page.split(begin, 1)
        page = f"{before}{begin}{table}{end}{rest.split(end, 1)[1]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
