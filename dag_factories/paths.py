# SPDX-License-Identifier: Apache-2.0
"""Paths with their symbolic links followed, at the price of one look at each folder."""

from __future__ import annotations

import os


class RealPaths:
    """Follows links as ``os.path.realpath`` does; what it found out about a folder holds as long as this object.

    Thousands of tables lie in a few folders, and each level of each path would be looked at again for every one of them.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def real(self, path: str) -> str:
        """Return the path without links; it need not exist."""
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return os.path.realpath(path)
        found = os.path.join(self._folder(folder), name)
        return os.path.realpath(found) if os.path.islink(found) else found

    def inside(self, path: str, root: str) -> bool:
        """Return whether a path is a folder or lies below it."""
        base = self._folder(root)
        real = self.real(path)
        return real == base or real.startswith(base if base.endswith(os.sep) else base + os.sep)

    def _folder(self, path: str) -> str:
        found = self._folders.get(path)
        if found is None:
            found = self._folders[path] = os.path.realpath(path)
        return found
