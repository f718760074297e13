# SPDX-License-Identifier: Apache-2.0
"""What a trigger leaves for the process after it: its arguments stay as the task gave them, so it is an XCom of the task."""

from __future__ import annotations

import logging
from typing import Any

from airflow.providers.common.compat.sdk import XCom

log = logging.getLogger(__name__)


class Kept:
    """One document of a task's try. Both methods block, and neither raises: what is kept here spares work, no more.

    Args:
        task_instance: Of the trigger; None keeps nothing.
        key: Of the XCom.
    """

    def __init__(self, task_instance: Any, key: str) -> None:
        self._key = key
        self._try = getattr(task_instance, "try_number", None)
        names = ("dag_id", "task_id", "run_id", "map_index")
        self._place = None if task_instance is None else {name: getattr(task_instance, name, None) for name in names}

    def read(self) -> Any:
        """Return the document; None where there is none of this try."""
        if self._place is None:
            return None
        try:
            found = XCom.get_one(key=self._key, **self._place)
        except Exception as error:  # noqa: BLE001
            log.warning("%s cannot be read: %s", self._key, error)
            return None
        return found["value"] if isinstance(found, dict) and found.get("try") == self._try else None

    def write(self, value: Any) -> None:
        """Keep a document in the place of the one before."""
        if self._place is None:
            return
        try:
            XCom.set(key=self._key, value={"try": self._try, "value": value}, **self._place)
        except Exception as error:  # noqa: BLE001
            log.warning("%s cannot be kept: %s", self._key, error)
