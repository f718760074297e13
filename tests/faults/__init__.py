# SPDX-License-Identifier: Apache-2.0
"""Runs of a small pipeline whose processes are killed, and what must be true of the table all the while."""
