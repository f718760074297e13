# SPDX-License-Identifier: Apache-2.0
"""Data-quality gate: suite -> rules -> query -> verdict."""
