# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help

.venv/.stamp: requirements/airflow3.txt pyproject.toml
	tools/env.sh .venv requirements/airflow3.txt

.venv-airflow2/.stamp: requirements/airflow2.txt pyproject.toml
	tools/env.sh .venv-airflow2 requirements/airflow2.txt '>=3.11,<3.13'
