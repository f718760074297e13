# SPDX-License-Identifier: Apache-2.0
"""Limits of a job's process, as an author writes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from airflow_dataops.core.tables import Resources
from dag_factories.specs.arguments import AuthorModel
from dag_factories.specs.values import Bytes


class Limits(AuthorModel):
    """Limits of each job's process.

    Attributes:
        memory: Memory of the whole process (``4GB``); without it a share of what the container has free.
        threads: Threads of the engine; without it the container's cores.
        spill_dir: Folder for what does not fit in memory; without it the system's temporary folder.
    """

    memory: Annotated[Bytes, Field(ge=64 * 2**20)] | None = None
    threads: int | None = Field(default=None, ge=1)
    spill_dir: str | None = None

    def over(self, base: Limits) -> Resources:
        """Return the limits as a job takes them: these, and those of ``base`` where these say nothing."""
        return Resources(
            memory_bytes=self.memory or base.memory,
            threads=self.threads or base.threads,
            spill_dir=self.spill_dir or base.spill_dir,
        )
