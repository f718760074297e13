# SPDX-License-Identifier: Apache-2.0
"""Types, expressions and what the engines do differently: one query tree, several dialects."""
