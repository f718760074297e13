# SPDX-License-Identifier: Apache-2.0
"""Metadata events: what reads and writes them outside of this process."""
