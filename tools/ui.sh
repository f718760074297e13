#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Starts Airflow with the example DAGs, for this machine only and without a login: tools/ui.sh VENV PORT. Its database is airflow-home/.
#
# Not `airflow standalone`: its log servers listen on every network interface. They are not needed where tasks run on the same disk.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/$1 port=$2
secret() { "$venv/bin/python" -c 'import secrets; print(secrets.token_urlsafe(48))'; }
export PATH=$venv/bin:$PATH
export AIRFLOW_HOME=$PWD/airflow-home
export AIRFLOW__CORE__DAGS_FOLDER=$PWD/example_dags
export AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
export AIRFLOW__API__BASE_URL=http://127.0.0.1:$port
# The tasks' processes talk to the API at this address; its default is port 8080, whatever the port above.
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:$port/execution/
AIRFLOW__API__SECRET_KEY=$(secret) AIRFLOW__API_AUTH__JWT_SECRET=$(secret)
export AIRFLOW__API__SECRET_KEY AIRFLOW__API_AUTH__JWT_SECRET
export AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK=False
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
mkdir -p "$AIRFLOW_HOME"
airflow db migrate >"$AIRFLOW_HOME/migrate.log" 2>&1 || { cat "$AIRFLOW_HOME/migrate.log" >&2; exit 1; }

parts=()
stop() { kill "${parts[@]}" 2>/dev/null || true; wait; }
trap stop EXIT
trap 'exit 0' INT TERM
airflow api-server --host 127.0.0.1 --port "$port" & parts+=($!)
airflow scheduler --skip-serve-logs & parts+=($!)
airflow dag-processor & parts+=($!)
airflow triggerer --skip-serve-logs & parts+=($!)
echo "http://127.0.0.1:$port (Ctrl-C stops it)"
wait -n
echo "a part of Airflow ended, so all of it stops" >&2
exit 1
