# SPDX-License-Identifier: Apache-2.0
"""What can be known before a run starts: which questions to ask, and what the answers mean. Nothing here asks them."""

from __future__ import annotations
