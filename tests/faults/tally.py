# SPDX-License-Identifier: Apache-2.0
"""What walks have done so far, for the lines that they print at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults.reader import Judged


@dataclass
class Tally:
    """Counts of one test session.

    Attributes:
        points: Kind of table, step and place at which something was killed.
        kills: Processes that were killed.
        equal: Reruns after which table, bad rows and numbers were those of an undisturbed run.
        reads: Reads of the table meanwhile.
        mixed: Those that saw a mix or missed a file.
        window: Longest time in which a reader saw that, seconds, of publishes that nothing cut short.
        rename: Longest ``rename_seconds`` of a result.
    """

    points: set[str] = field(default_factory=set)
    kills: int = 0
    equal: int = 0
    reads: int = 0
    mixed: int = 0
    window: float = 0.0
    rename: float = 0.0

    def read(self, judged: Judged, *, whole: bool) -> None:
        """Add what a reader saw; ``whole`` where no process was killed meanwhile."""
        self.reads += judged.reads
        self.mixed += judged.mixed
        if whole:
            self.window = max(self.window, judged.seconds)

    def lines(self) -> list[str]:
        """Return the summary."""
        return [
            f"points walked: {len(self.points)}; processes killed: {self.kills}; reruns equal: {self.equal}",
            f"reads of the table meanwhile: {self.reads}; of parquet, within the renames, mixed or short of a file: {self.mixed}",
            f"longest window of renames: {self.rename * 1000:.1f} ms by the job's clock, {self.window * 1000:.1f} ms as a reader saw it",
        ]


TALLY = Tally()
