# SPDX-License-Identifier: Apache-2.0
"""All that talks to Kubernetes for Spark; what to say is decided in ``core/spark_k8s``."""

from __future__ import annotations
