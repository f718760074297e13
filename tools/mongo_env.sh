#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a virtual environment with a server that speaks Mongo's protocol (SecantusDB) for the tests, and prints its program.
#
# It lies in ~/.cache/airflow-dataops/venvs under the hash of its lock. The project's own environment does not have it: it is GPL, runs as a
# process of its own, and nothing that is shipped depends on it.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=requirements/secantusdb.txt
folder=$HOME/.cache/airflow-dataops/venvs/secantusdb-$(sha256sum "$lock" | cut -c1-10)
if [ ! -f "$folder/.stamp" ]; then
  source tools/uv.sh
  mkdir -p "$(dirname "$folder")"
  {
    flock 9
    if [ ! -f "$folder/.stamp" ]; then
      "$uv" venv --quiet --allow-existing --python '>=3.11,<3.14' "$folder"
      "$uv" pip install --quiet --python "$folder/bin/python" --require-hashes --no-deps -r "$lock"
      touch "$folder/.stamp"
    fi
  } 9>"$folder.lock"
fi
echo "$folder/bin/secantusd-py"
