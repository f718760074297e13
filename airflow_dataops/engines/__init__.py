# SPDX-License-Identifier: Apache-2.0
"""Engines: open a source, run a query tree, write files. They know no pipeline."""
