# SPDX-License-Identifier: Apache-2.0
"""The airflow dag that looks after the lakes of this folder's pipelines, every night."""

from dag_factories import load_maintenance

dag = load_maintenance(__file__, schedule="0 3 * * *")
