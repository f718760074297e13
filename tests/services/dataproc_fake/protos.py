# SPDX-License-Identifier: Apache-2.0
"""Google's message types without Google's clients: ``google.cloud.dataproc_v1.types`` in 0.2 s instead of 2."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

_PACKAGE = "google.cloud.dataproc_v1"


def _types() -> Any:
    if _PACKAGE in sys.modules:
        return importlib.import_module(f"{_PACKAGE}.types")
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}", name=_PACKAGE)
    bare = ModuleType(_PACKAGE)
    bare.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[_PACKAGE] = bare
    try:
        return importlib.import_module(f"{_PACKAGE}.types")
    finally:
        del sys.modules[_PACKAGE]  # whoever wants the clients gets the whole package, with these types in it


api = _types()
