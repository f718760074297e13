# SPDX-License-Identifier: Apache-2.0
"""The last task of a run that ends in a teardown."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator


class OutcomeOperator(EmptyOperator):
    """Do nothing, and so be what the tasks before it were: where one of them failed, it does not run and the run is failed.

    A run is what its last tasks are. A teardown that may decide over the run (``on_failure_fail_dagrun``) stands for all tasks before it,
    and hides their failures; one that may not hides its own. This task, after both, hears them all.

    Args:
        kwargs: Arguments of every task; ``trigger_rule`` is ``none_failed``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trigger_rule": "none_failed", **kwargs})


__all__ = ["OutcomeOperator"]
