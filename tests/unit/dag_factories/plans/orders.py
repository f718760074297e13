# SPDX-License-Identifier: Apache-2.0
"""A pipeline with all that a bronze_to_silver may have, and the steps that it becomes."""

from __future__ import annotations

TEXT = """
version: 1
kind: bronze_to_silver
name: orders
timezone: Europe/Paris
source: {path: "${lake}/bronze/${run.key}"}
target: {path: "${lake}/silver/orders"}
columns: {mail: {mask: {kind: sha256, salt: "${env:SALT}"}}}
quality:
  bronze: {rules: [{not_null: id}], on_failure: quarantine, max_quarantine_ratio: 0.1}
  silver: {rules: [{not_null: id}], on_failure: fail}
resources: {memory: 1GB}
alerts: {warning: chat}
"""
STEPS = ["gate_bronze", "refine", "gate_silver", "publish", "report"]
