# SPDX-License-Identifier: Apache-2.0
"""Drivers that run until a test lets them end."""

from __future__ import annotations

from typing import Any

from tests.services.rest import RestServer


class Gates(RestServer):
    """Where drivers ask whether they may go on.

    Attributes:
        open: Names of the gates that are open: ``<url>/<name>``.
    """

    def __init__(self) -> None:
        self.open: set[str] = set()
        super().__init__()

    def answer(self, path: str) -> tuple[int, Any]:
        return (200 if path.strip("/") in self.open else 404), {}
