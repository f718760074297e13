#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests that cross areas or start processes, on both lines of Airflow; and engine spark: what it makes of a table is what DuckDB makes of it, on
# each line of Spark.
set -euo pipefail
cd "$(dirname "$0")/../.."
# What a new machine lacks; all of it is kept in the cache. Tests of what cannot be had skip, and say so.
for needed in "kube.sh" "spark_env.sh 3.5" "spark_env.sh 4.0" "spark_jars.py 3.5" "spark_jars.py 4.0" "kafka_jars.py" "mlflow_env.sh" "mongo_env.sh" "s3_servers.sh" "edge_tools.sh"; do
  # shellcheck disable=SC2086
  tools/$needed || echo "tools/$needed failed: the tests that need it will skip" >&2
done
make integration-all
