# SPDX-License-Identifier: Apache-2.0
"""Does a job's work fit into what it has been given? Refuses only what surely does not."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.tables import JobSpec

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def check_memory(spec: JobSpec, limit: int | None) -> None:
    """Refuse an engine's memory above what the container has: the kernel would kill the task in the middle.

    Args:
        spec: The job's spec.
        limit: Bytes of the container or machine; None where they are not known.

    Raises:
        SpecError: ``resources.memory_bytes`` is more than ``limit`` (``MEMORY_OVER_LIMIT``).
    """
    asked = spec.resources.memory_bytes
    if asked is not None and limit is not None and asked > limit:
        raise SpecError(
            f"resources.memory_bytes asks for {size(asked)}, and this worker has {size(limit)}",
            hint=f"give at most {limit * 7 // 10} or leave it out: the engine takes its share and spills the rest to disk",
            code="MEMORY_OVER_LIMIT",
            details={"asked_bytes": asked, "limit_bytes": limit},
        )


def check_source(spec: JobSpec, *, source_bytes: int | None, memory: int | None, spill_free: int | None) -> None:
    """Refuse a source that has to be held as a whole and is larger than memory and spill disk together.

    The engine streams: filters, casts, masks and most rules need no room for the source. Only dedup and uniqueness hold the rows of
    the slice, spilled to disk where they do not fit in memory; the files' size is a lower bound of what they need. A window reads an
    unknown part of its source, so nothing is said about it.

    Args:
        spec: The job's spec.
        source_bytes: Size of the source's files; None where it is not known.
        memory: Bytes of the engine or of the container.
        spill_free: Free bytes where the engine spills to.

    Raises:
        InputError: It cannot fit (``SOURCE_TOO_LARGE``).
    """
    if source_bytes is None or memory is None or spill_free is None or not holds_rows(spec):
        return
    if source_bytes <= memory + spill_free:
        return
    raise InputError(
        f"the source has {size(source_bytes)} and this job has to hold all of its rows, but there are only {size(memory)} of memory "
        f"and {size(spill_free)} of free disk for what does not fit",
        hint="set resources.spill_dir to a larger disk, make the slice smaller (run references in source.path, or window), or "
        "run it on a target with engine: spark or dask",
        code="SOURCE_TOO_LARGE",
        details={"source_bytes": source_bytes, "memory_bytes": memory, "spill_free_bytes": spill_free},
    )


def holds_rows(spec: JobSpec) -> bool:
    """Return whether the job must keep the rows of its whole source at once, so far as its spec says; on Dask, many machines do."""
    if spec.engine == "dask":
        return False
    document: dict[str, Any] = spec.model_dump(mode="json")
    if (document.get("slice") or {}).get("kind") == "window":
        return False
    if (document.get("clean") or {}).get("dedup"):
        return True
    expectations = (document.get("suite") or {}).get("expectations")
    return any("unique" in name for name in _names(document.get("rules")) | _names(expectations))


def _names(rules: Any) -> set[str]:
    """Names of rules in either form: ``{"unique": …}``, ``{"type": "expect_column_values_to_be_unique", …}``."""
    named: set[str] = set()
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, dict):
            said = rule.get("type") or rule.get("expectation_type")
            named.update([str(said)] if said else map(str, rule))
    return named


def size(amount: int) -> str:
    """Return bytes as a person reads them: ``3.2 GiB``."""
    value = float(amount)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{amount} B" if unit == "B" else f"{value:.1f} {unit}"


__all__ = ["check_memory", "check_source", "holds_rows", "size"]
