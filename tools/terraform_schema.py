# SPDX-License-Identifier: Apache-2.0
"""Write down which arguments Terraform's Google provider takes, for what infra/gcp uses: tests/unit/infra/provider_schema.json.

The source is the published package ``cdktf-cdktf-provider-google``, which describes each resource of one version of the provider; it is
far too large to be installed for a test.

    python -m pip download --no-deps -d DIR cdktf-cdktf-provider-google
    python tools/terraform_schema.py DIR/cdktf_cdktf_provider_google-*.whl
"""

from __future__ import annotations

import argparse
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parent.parent
INFRA, TARGET = ROOT / "infra" / "gcp", ROOT / "tests" / "unit" / "infra" / "provider_schema.json"


def main() -> None:
    """Write the file anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the package's wheel")
    types, version = _read(parser.parse_args().wheel)
    documents = {f"{kind}.{name}": _document(types, kind, name) for kind, name in sorted(_used())}
    TARGET.write_text(json.dumps({"provider": version, "types": documents}, indent=1, sort_keys=True) + "\n")
    print(f"{TARGET.relative_to(ROOT)}: {len(documents)} types of provider {version}")


def _used() -> Iterator[tuple[str, str]]:
    for file in sorted(INFRA.glob("*.tf")):
        with file.open() as stream:
            document = hcl2.load(stream)
        for kind in ("resource", "data"):
            for block in document.get(kind, []):
                yield from ((kind, name.strip('"')) for name in block if not name.startswith("__"))


def _read(wheel: Path) -> tuple[dict[str, Any], str]:
    with zipfile.ZipFile(wheel) as archive:
        inner = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(inner))) as tar:
            described = json.loads(tar.extractfile("package/.jsii").read())  # type: ignore[union-attr]
            package = json.loads(tar.extractfile("package/package.json").read())  # type: ignore[union-attr]
    return described["types"], package["cdktf"]["provider"]["version"]


def _document(types: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    folder = "resources" if kind == "resource" else "data-sources"
    says = f"/{folder}/{name.removeprefix('google_')} {name}}}."
    described = next(one for one in types.values() if one.get("docs", {}).get("summary", "").endswith(says))
    config = next(one for one in described["initializer"]["parameters"] if one["name"] == "config")
    return _fields(types, types[config["type"]["fqn"]])


def _fields(types: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for prop in described.get("properties", []):
        docs = prop.get("docs", {})
        anchor = re.search(r"#(\w+) ", docs.get("remarks", "") + docs.get("summary", ""))
        if anchor:
            nested = _nested(types, prop["type"])
            found[anchor[1]] = {"required": not prop.get("optional", False)} | ({"block": nested} if nested else {})
    return found


def _nested(types: dict[str, Any], described: dict[str, Any]) -> dict[str, Any] | None:
    """The fields of a block; None for a plain value."""
    if "fqn" in described:
        inner = types.get(described["fqn"])
        return _fields(types, inner) if inner and inner["kind"] == "interface" and inner.get("properties") else None
    parts = [*described.get("union", {}).get("types", []), described.get("collection", {}).get("elementtype", {})]
    return next((fields for part in parts if part and (fields := _nested(types, part))), None)


if __name__ == "__main__":
    main()
