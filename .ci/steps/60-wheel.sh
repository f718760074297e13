#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What users install: the built wheel in an environment with the base dependencies only, tested from outside of the checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."
make .venv/.stamp
source tools/uv.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
.venv/bin/python -m hatchling build --target wheel --directory "$scratch/dist"
"$uv" venv --quiet --python .venv/bin/python "$scratch/venv"
"$uv" pip sync --quiet --require-hashes --python "$scratch/venv/bin/python" requirements/base.txt
"$uv" pip install --quiet --no-deps --python "$scratch/venv/bin/python" "$scratch"/dist/*.whl
cp -r tests/smoke "$scratch/smoke"
cp -r example_dags "$scratch/example_dags"
rm -rf "$scratch"/example_dags/lake/{.dataops,silver,quarantine}   # what an earlier run may have left
cd "$scratch/smoke"
env -u PYTHONPATH "$scratch/venv/bin/python" -m unittest -v smoke_wheel
