# SPDX-License-Identifier: Apache-2.0
"""Entry points that run on an engine: one JSON spec in, a table out, one JSON result out."""
