# SPDX-License-Identifier: Apache-2.0
"""The checks that need the compilers, and the columns of the source: for the command, not for the loader of DAGs."""

from __future__ import annotations

from dag_factories.check.context import Check
from dag_factories.check.dask import check_functions
from dag_factories.check.metadata import check_drained
from dag_factories.check.tables import check_table, check_table_unseen


def deep_checks(*, data: bool) -> tuple[Check, ...]:
    """Return the checks that only ``dataops check`` makes.

    Args:
        data: Whether the columns of sources that are there may be read.
    """
    return (check_table if data else check_table_unseen, check_functions, check_drained)
