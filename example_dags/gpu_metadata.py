# SPDX-License-Identifier: Apache-2.0
"""The airflow dag of gpu_metadata.yaml; the words "airflow" and "dag" let Airflow's safe mode find this file."""

from dag_factories import load_dag

dag = load_dag(__file__)
