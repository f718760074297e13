# SPDX-License-Identifier: Apache-2.0
"""The operators that a plan may name: ``refine.RefineTableOperator`` is that class of ``airflow_dataops.operators.refine``."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Any

from airflow_dataops.core.errors import SpecError, unknown_name

_NAME = re.compile(r"([a-z][a-z0-9_]*)\.([A-Z][A-Za-z0-9]*)")
_PACKAGE = "airflow_dataops.operators"


@cache
def operator_class(name: str) -> type[Any]:
    """Return the class of an operator.

    Args:
        name: ``<area>.<Class>``. No other package can be named, so a plan never imports code of its author's choice.

    Raises:
        SpecError: There is no such operator (``UNKNOWN_OPERATOR``).
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise SpecError(
            f"{name!r} names no operator; the form is area.Class",
            hint="write refine.RefineTableOperator",
            code="UNKNOWN_OPERATOR",
        )
    path = f"{_PACKAGE}.{parts[1]}"
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise SpecError(f"there is no module {path}, and so no operator {name!r}", code="UNKNOWN_OPERATOR") from None
    found = getattr(module, parts[2], None)
    if not isinstance(found, type) or not hasattr(found, "template_fields"):
        known = [key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == path]
        raise unknown_name("operator", parts[2], known, code="UNKNOWN_OPERATOR")
    return found
