# SPDX-License-Identifier: Apache-2.0
"""Operators: each assigns its arguments, and hands a job spec to a process of its own in ``execute``."""

from __future__ import annotations

try:
    import airflow.providers.common.compat.sdk  # noqa: F401 - looked for here, used by every module of the package
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{missing}; the operators need Airflow: pip install 'airflow-dataops[airflow]'", name=missing.name
    ) from missing
