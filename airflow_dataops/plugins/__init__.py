# SPDX-License-Identifier: Apache-2.0
"""Plugins of Airflow's web server."""
