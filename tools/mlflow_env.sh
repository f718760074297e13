#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a virtual environment with an MLflow server for the tests, and prints its Python.
#
# It lies in ~/.cache/airflow-dataops/venvs under the server's version. The project's own environment does not have it: its hundred packages
# would meet Airflow's there.
set -euo pipefail
cd "$(dirname "$0")/.."
version=3.17.2
folder=$HOME/.cache/airflow-dataops/venvs/mlflow-$version
if [ ! -f "$folder/.stamp" ]; then
  source tools/uv.sh
  mkdir -p "$(dirname "$folder")"
  {
    flock 9
    if [ ! -f "$folder/.stamp" ]; then
      "$uv" venv --quiet --allow-existing --python '>=3.11' "$folder"
      "$uv" pip install --quiet --python "$folder/bin/python" "mlflow==$version"
      touch "$folder/.stamp"
    fi
  } 9>"$folder.lock"
fi
echo "$folder/bin/python"
