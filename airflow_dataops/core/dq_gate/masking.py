# SPDX-License-Identifier: Apache-2.0
"""Columns as they may be shown or kept: masked where the silver table masks them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from airflow_dataops.core.dq_gate.trees import column, named
from airflow_dataops.core.refine.mask import mask_expression, salts
from airflow_dataops.core.tables import MaskSpec


def kept_columns(
    columns: Mapping[str, str], masks: Mapping[str, MaskSpec], secrets: Mapping[str, str]
) -> list[exp.Expression]:
    """Return the select list of a table's columns with masks applied; a column whose mask is ``drop`` is left out.

    Args:
        columns: Column -> canonical type.
        masks: Column -> mask; masks of columns that the table does not have belong to a later step, and are passed over.
        secrets: Reference -> value, for salts.

    Raises:
        SpecError: A salt has no value (``SECRET_MISSING``), or a mask cannot be applied to the column's type (``BAD_MASK``).
    """
    known = {name: mask for name, mask in masks.items() if name in columns}
    salt = salts(known, secrets)
    made: list[exp.Expression] = []
    for name, kind in columns.items():
        mask = known.get(name)
        if mask is None:
            made.append(column(name))
        elif mask.kind != "drop":
            made.append(named(mask_expression(name, kind, mask, salt=salt.get(name)), name))
    return made
