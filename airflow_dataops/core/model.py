# SPDX-License-Identifier: Apache-2.0
"""The base of every typed document that leaves a process: specs, results, plans."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen, strict-keyed pydantic model: an unknown key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)

    def __hash__(self) -> int:
        """Return a hash also where a field holds a list: pydantic copies a default that has none, again for each document."""
        try:
            return hash((type(self), *self.__dict__.values()))
        except TypeError:
            return hash(type(self))
