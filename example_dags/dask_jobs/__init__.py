# SPDX-License-Identifier: Apache-2.0
"""Functions that pipelines of the kind composer_dask run."""

from __future__ import annotations
