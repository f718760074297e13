#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the virtual environment of a line of Spark, without Airflow, and prints its Python: tools/spark_env.sh 3.5 | 4.0
#
# It lies in ~/.cache/airflow-dataops/venvs under a name made of its lock, and holds no checkout of this project: run it from one.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=requirements/spark${1/./}-test.txt
[ -f "$lock" ] || { echo "no lock for Spark $1: give 3.5 or 4.0" >&2; exit 2; }
folder=$HOME/.cache/airflow-dataops/venvs/spark${1/./}-$(sha256sum "$lock" | cut -c1-10)
if [ ! -f "$folder/.stamp" ]; then
  source tools/uv.sh
  mkdir -p "$(dirname "$folder")"
  {
    flock 9
    if [ ! -f "$folder/.stamp" ]; then
      # PySpark 3.5 is made for Python up to 3.11
      "$uv" venv --quiet --allow-existing --python '>=3.11,<3.12' "$folder"
      "$uv" pip sync --quiet --require-hashes --python "$folder/bin/python" "$lock"
      touch "$folder/.stamp"
    fi
  } 9>"$folder.lock"
fi
echo "$folder/bin/python"
