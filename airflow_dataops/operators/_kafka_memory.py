# SPDX-License-Identifier: Apache-2.0
"""Where the looks at a consumer group are kept from run to run: in the state of an asset (Airflow 3.3), else in the task's own XCom."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY = "dataops_kafka_window"


class Memory:
    """The text that a task leaves for the same task of the next run. What is kept spares waiting, no more: nothing here raises.

    Args:
        context: Airflow's.
        asset: Stands for the group; None for none.
        about: What the text is about (group, cluster): that of something else is not taken.
        log: Hears what went wrong.
    """

    def __init__(self, context: Any, asset: Any, about: dict[str, Any], log: Any) -> None:
        self._ti, self._log = context["ti"], log
        self._about = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        self._store = None if asset is None else _state_of(context, asset)

    @property
    def is_asset_state(self) -> bool:
        """True where an asset's state keeps it."""
        return self._store is not None

    def read(self) -> str | None:
        """Return the text; None where there is none."""
        try:
            found = self._store.get(self._key) if self._store is not None else self._pulled()
        except Exception as error:  # noqa: BLE001
            self._log.warning("what earlier runs saw cannot be read: %s", error)
            return None
        mine = isinstance(found, dict) and found.get("about") == self._about
        return found["window"] if mine else None

    def write(self, window: str) -> None:
        """Keep a text in the place of the one before."""
        value = {"about": self._about, "window": window}
        try:
            if self._store is not None:
                self._store.set(self._key, value)
            else:
                self._ti.xcom_push(key=KEY, value=value)
        except Exception as error:  # noqa: BLE001
            self._log.warning("what was seen is not kept for the next run: %s", error)

    @property
    def _key(self) -> str:
        # Several tasks may look at what one asset stands for.
        place = [self._ti.dag_id, self._ti.task_id, getattr(self._ti, "map_index", -1)]
        return f"{KEY}.{hashlib.sha256(json.dumps(place).encode()).hexdigest()[:16]}"

    def _pulled(self) -> Any:
        index = getattr(self._ti, "map_index", -1)
        where = {"task_ids": self._ti.task_id, "key": KEY, "map_indexes": index}
        return self._ti.xcom_pull(**where, include_prior_dates=True)


def _state_of(context: Any, asset: Any) -> Any:
    """Return the store of an asset's state; None where this Airflow has none."""
    stores = context.get("asset_state_store")
    try:
        return None if stores is None else stores[asset]
    except (KeyError, TypeError):
        return None
