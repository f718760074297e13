# SPDX-License-Identifier: Apache-2.0
"""Where the scheduler and the workers of a job come from: one module a runtime, behind ``base.start``."""

from __future__ import annotations
