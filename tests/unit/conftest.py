# SPDX-License-Identifier: Apache-2.0
"""Property tests have no deadline: a busy machine is no bug."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("dataops", deadline=None)
settings.load_profile("dataops")
