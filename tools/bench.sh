#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every benchmark, one after the other: tools/bench.sh PYTHON [--smoke]. A benchmark is a script benchmarks/bench_<stem>.py that
# prints ratios against a floor measured in the same run, and takes --smoke for one small round.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
shopt -s nullglob
scripts=(benchmarks/bench_*.py)
if [ ${#scripts[@]} -eq 0 ]; then
  echo "there is no benchmarks/bench_*.py"
fi
for script in "${scripts[@]}"; do
  echo "== $script"
  "$python" "$script" "$@"
done
