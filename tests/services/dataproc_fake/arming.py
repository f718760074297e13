# SPDX-License-Identifier: Apache-2.0
"""Which fault strikes which call: armed by name, project and number of the call; kept in the store, so that a restart disarms nothing."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.services.dataproc_fake.faults import FAULTS, Call, Fate, Fault, Point
from tests.services.dataproc_fake.records import plain
from tests.services.dataproc_fake.store import Store
from tests.services.dataproc_fake.world import World


@dataclass
class Armed:
    """A fault that waits for its call.

    Attributes:
        project: Only calls of this project; empty for all.
        nth: It strikes from the n-th call of its methods on, counted from its arming.
        times: How many calls it strikes.
        seen: Calls that could have been struck so far.
        args: Arguments of the fault; ``method`` names the only RPC that it strikes.
    """

    name: str
    project: str = ""
    nth: int = 1
    times: int = 1
    seen: int = 0
    args: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def fault(self) -> Fault:
        """The fault."""
        return FAULTS[self.name]

    def meets(self, call: Call) -> bool:
        """Count a call, and tell whether the fault strikes it."""
        only = self.args.get("method")
        if (self.project and call.project != self.project) or call.method not in (
            [only] if only else self.fault.methods
        ):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class Arms:
    """All that is armed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._armed = [Armed(**facts) for _, facts in store.plain("armed")]

    def arm(
        self,
        name: str,
        *,
        project: str = "",
        nth: int = 1,
        times: int | None = None,
        args: dict[str, Any] | None = None,
    ) -> Armed:
        """Arm a fault.

        Raises:
            ValueError: There is no such fault.
        """
        if name not in FAULTS:
            raise ValueError(f"there is no fault {name!r}; there are {', '.join(sorted(FAULTS))}")
        armed = Armed(name, project, nth, FAULTS[name].times if times is None else times, args=args or {})
        self._armed.append(armed)
        self._store.save_plain("armed", armed.id, plain(armed))
        return armed

    def disarm(self, project: str) -> None:
        """Forget all faults of a project."""
        for armed in [one for one in self._armed if one.project == project]:
            self._armed.remove(armed)
            self._store.drop("armed", armed.id)

    def met(self, call: Call) -> list[Armed]:
        """Return the faults that strike a call."""
        found = []
        for armed in self._armed:
            before = armed.seen
            if armed.meets(call):
                found.append(armed)
            if armed.seen != before:
                self._store.save_plain("armed", armed.id, plain(armed))
        call.faults = [armed.name for armed in found]
        return found

    def listed(self) -> list[dict[str, Any]]:
        """Return all that is armed, with how often it could have struck."""
        return [plain(armed) for armed in self._armed]


def act(found: list[Armed], point: Point, world: World, call: Call) -> Fate:
    """Let the faults of one point do what they do; return the fate that they give."""
    fate: Fate = {}
    for armed in found:
        if armed.fault.point is point:
            fate |= armed.fault.act(world, call, armed.args) or {}
    return fate


def parse(option: str) -> tuple[str, int, int | None]:
    """Return name, number of the call and times of ``name[:nth][xTIMES]``.

    Raises:
        ValueError: It is not written so.
    """
    found = re.fullmatch(r"(\w+?)(?::(\d+))?(?:x(\d+))?", option)
    if found is None:
        raise ValueError(f"{option!r} is not name[:nth][xTIMES], such as create_reply_lost:2 or polls_fail:1x5")
    return found[1], int(found[2] or 1), int(found[3]) if found[3] else None
