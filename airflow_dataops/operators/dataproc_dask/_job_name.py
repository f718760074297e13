# SPDX-License-Identifier: Apache-2.0
"""What a task's job is called on a cluster that tasks share."""

from __future__ import annotations

import hashlib
import re

_LONGEST_JOB_NAME, _HASH = 30, 6


def job_name(task_id: str) -> str:
    """Return the name of a task's job: no other task of the run has it, since jobs of one name on a cluster replace one another.

    ``load_it`` is ``load-it``; an id that cannot be written so, or is too long, gets a hash.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", task_id.lower()).strip("-")
    if slug.replace("-", "_") == task_id and slug[:1].isalpha() and len(slug) <= _LONGEST_JOB_NAME:
        return slug
    return _with_hash(slug if slug[:1].isalpha() else f"job-{slug}", task_id)


def mapped_job_name(name: str, index: int) -> str:
    """Return the name of the job of one index of a mapped task, within the length that Google's ids leave."""
    end = f"-{index}"
    if len(name) + len(end) > _LONGEST_JOB_NAME:
        name = _with_hash(name, name, _LONGEST_JOB_NAME - len(end))
    return f"{name}{end}"


def _with_hash(slug: str, text: str, longest: int = _LONGEST_JOB_NAME) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH]
    return f"{slug[: longest - _HASH - 1].strip('-')}-{digest}"
