#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Starts Airflow with the example DAGs, for this machine only and without a login: tools/ui.sh VENV PORT. Its database is airflow-home/.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/$1 port=$2
export PATH=$venv/bin:$PATH
export AIRFLOW_HOME=$PWD/airflow-home
export AIRFLOW__CORE__DAGS_FOLDER=$PWD/example_dags
export AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
export AIRFLOW__API__HOST=127.0.0.1
export AIRFLOW__API__PORT=$port
export AIRFLOW__API__BASE_URL=http://127.0.0.1:$port
# The task process talks to the API at this address; its default is port 8080, whatever the port above.
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:$port/execution/
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
# Everyone may reach a user interface without a login that listens on the network, so other hosts are refused above.
echo "http://127.0.0.1:$port (Ctrl-C stops it)"
exec airflow standalone
