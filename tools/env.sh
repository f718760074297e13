#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a virtual environment from a lock file, with this project installed into it in editable form.
#
#   tools/env.sh FOLDER LOCK [PYTHON]     FOLDER/.stamp is written last: an environment without it is not complete.
#
# PYTHON is a version request such as ">=3.11,<3.13".
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 lock=$2 python=${3:-">=3.11,<3.14"}
mkdir -p .tools
exec 9> .tools/env.lock
if command -v flock > /dev/null && ! flock --nonblock 9; then # somebody makes one, perhaps this one
  flock 9
  if [ "$folder/.stamp" -nt "$lock" ] && [ "$folder/.stamp" -nt pyproject.toml ]; then exit; fi
fi
source tools/uv.sh
rm -f "$folder/.stamp"
"$uv" venv --quiet --allow-existing --python "$python" "$folder"
"$uv" pip sync --quiet --require-hashes --python "$folder/bin/python" "$lock"
# hatchling comes from the lock, so nothing is fetched here that is not pinned
"$uv" pip install --quiet --no-deps --no-build-isolation --python "$folder/bin/python" --editable .
touch "$folder/.stamp"
