# SPDX-License-Identifier: Apache-2.0
"""The base of every typed document that leaves a process: specs, results, plans."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen, strict-keyed pydantic model: an unknown key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return the model itself, which nothing changes: pydantic would copy every default of a field for each document that is read."""
        return self
