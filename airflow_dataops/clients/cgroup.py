# SPDX-License-Identifier: Apache-2.0
"""Where the kernel says what this process may use: its own cgroup and all above it, each of which may set a limit. Linux v2 and v1."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self/cgroup")


def folders(controller: str, root: Path = ROOT, process: Path = PROCESS) -> list[Path]:
    """Return the folders in which limits of this process stand, the innermost first.

    A process without a cgroup namespace (a systemd unit, some container runtimes) sees the whole tree, and its limit is not the root's.
    Where its own path is not mounted, as in a container that sees only its own part of the tree, the root is what it has.

    Args:
        controller: ``memory`` or ``cpu``.
        root: Where the cgroup file system is mounted.
        process: The kernel's list of the process's cgroups.
    """
    found: list[Path] = []
    for controllers, path in _entries(process):
        if not controllers:
            bases = [root, root / "unified"]
        elif controller in controllers.split(","):
            bases = [root / controller, root / controllers]
        else:
            continue
        for base in bases:
            found += _chain(base, path)
    return list(dict.fromkeys([*found, root, root / controller]))


def numbers(folder: Path, *names: str) -> list[int]:
    """Return the number in each file of a folder that holds one; ``max`` and missing files are left out."""
    found = []
    for name in names:
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        found += [int(text)] if text.isdigit() else []
    return found


def _entries(process: Path) -> list[tuple[str, str]]:
    """Return controllers (empty for v2) and path of each hierarchy that the process is in."""
    try:
        lines = process.read_text().splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines]
    return [(part[1], part[2]) for part in parts if len(part) == 3]


def _chain(base: Path, path: str) -> list[Path]:
    """Return the folder of ``path`` below ``base`` and all above it; none where it is not mounted, or lies outside of what is."""
    names = [name for name in path.split("/") if name]
    if ".." in names or not base.joinpath(*names).is_dir():
        return []
    return [base.joinpath(*names[:count]) for count in range(len(names), -1, -1)]


__all__ = ["PROCESS", "ROOT", "folders", "numbers"]
