# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a list of rules: all of it at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dataops.core.errors import SpecError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: Keys and positions from the gate's settings to the fault: ``("rules", 2, "between")`` or ``("suite", "expectations", 0)``.
        code: Stable name in capitals.
        message: What was received and what is valid.
        suggestion: What to type; None where there is nothing nearer than the message.
    """

    path: Path
    code: str
    message: str
    suggestion: str | None = None


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise all problems as one error; nothing happens without any.

    Raises:
        SpecError: Its code is that of the problems where they share one, else ``RULES_INVALID``.
    """
    if not problems:
        return
    codes = {problem.code for problem in problems}
    lines = [f"{'.'.join(map(str, problem.path))}: {problem.message}" for problem in problems]
    raise SpecError(
        lines[0] if len(lines) == 1 else f"{len(lines)} faults in the rules:\n  " + "\n  ".join(lines),
        hint=next((problem.suggestion for problem in problems if problem.suggestion), None),
        code=codes.pop() if len(codes) == 1 else "RULES_INVALID",
        details={"problems": [{"path": list(p.path), "code": p.code, "message": p.message} for p in problems]},
    )
