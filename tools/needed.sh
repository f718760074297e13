#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What integration tests and benchmarks need and a new machine lacks: fetched or built once, kept in ~/.cache. Tests of what cannot be had skip, and
# say so. Two at once do not do it twice: the second waits.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
mkdir -p "$HOME/.cache/airflow-dataops"
exec 8> "$HOME/.cache/airflow-dataops/needed.lock"
flock 8
for needed in "spark_env.sh 3.5" "spark_env.sh 4.0" "spark_jars.py 3.5" "spark_jars.py 4.0" "kafka_jars.py" "mlflow_env.sh" "mongo_env.sh" "s3_servers.sh" "edge_tools.sh" "kube.sh"; do
  # shellcheck disable=SC2086
  tools/$needed 8>&- || echo "tools/$needed failed: the tests that need it will skip" >&2
done
