# SPDX-License-Identifier: Apache-2.0
"""Notifiers, registered in the entry-point group ``airflow_dataops.notifiers``: log, webhook, smtp."""
