# SPDX-License-Identifier: Apache-2.0
"""Tell it to the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_dataops.notifications._message import message_of

log = logging.getLogger("airflow_dataops.alerts")

_LEVELS = {"critical": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


class LogNotifier(BaseNotifier):
    """Write an alert into the log, with a level that fits its severity.

    Args:
        severity: ``critical``, ``warning`` or ``info``; what the pipeline says when omitted.
        message: The first line; may hold Jinja.
    """

    template_fields: Sequence[str] = ("message",)

    def __init__(self, *, severity: str | None = None, message: str | None = None) -> None:
        super().__init__()
        self.severity = severity
        self.message = message

    def notify(self, context: Any) -> None:
        """Write the alert."""
        alert = message_of(context, self.severity, self.message)
        log.log(_LEVELS[alert.severity], "%s", alert.as_text())

    async def async_notify(self, context: Any) -> None:
        """Write the alert; a log does not block."""
        self.notify(context)


__all__ = ["LogNotifier"]
