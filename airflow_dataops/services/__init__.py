# SPDX-License-Identifier: Apache-2.0
"""Processes beside Airflow; none of them imports it."""
