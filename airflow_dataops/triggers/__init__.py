# SPDX-License-Identifier: Apache-2.0
"""Triggers: what a deferred task leaves in the triggerer."""

from __future__ import annotations
