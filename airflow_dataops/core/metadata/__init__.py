# SPDX-License-Identifier: Apache-2.0
"""Metadata events: what one is, which of two is newer, and what a drain, an archive and a reconciliation do with them."""
