# SPDX-License-Identifier: Apache-2.0
"""A link whose address the task leaves in XCom."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom


class _AddressInXCom(BaseOperatorLink):
    """Opens the address that a task leaves in XCom under ``key``."""

    key: ClassVar[str]

    @property
    def xcom_key(self) -> str:
        """Where Airflow 3 reads the address, also before the task has ended."""
        return self.key

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the address; an empty text while the task has left none."""
        return str(XCom.get_value(key=self.key, ti_key=ti_key) or "")
