# SPDX-License-Identifier: Apache-2.0
"""Property tests have no deadline: a busy machine is no bug. CI draws the same cases each time, so that it judges a commit, not luck."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("dataops", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("dataops")
