#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs tests in parts, each in a process of its own: tools/parts.sh LANES "MORE ARGUMENTS" PYTHON:PATH...
# A part is a file of integration tests, or the folder of engine spark's, and the Python to run it with. LANES at a time, in the order given; what
# a part printed is shown whole when it has ended. Goes on after a failure, and fails at the end.
set -uo pipefail
lanes=$1 arguments=$2
shift 2

part() {
  local said status started=$SECONDS python=${2%%:*} path=${2#*:} marks="integration and not soak"
  [[ $path == tests/spark* ]] && marks="not soak" # all that is there needs Spark, and nothing else
  # shellcheck disable=SC2086 # several arguments in one
  said=$({ time "$python" -m pytest -q -m "$marks" $1 "$path"; } 2>&1)
  status=$?
  [ $status = 5 ] && status=0 # nothing of that file is to be run here
  printf '%s\n=== %s by %s: %s in %d s\n' "$said" "$path" "$python" "$([ $status = 0 ] && echo ok || echo FAILED)" $((SECONDS - started))
  return $status
}
export -f part
export TIMEFORMAT="%U + %S s of CPU" # of what it waited for
printf '%s\0' "$@" | xargs -0 -P "$lanes" -I{} bash -c 'part "$@"' _ "$arguments" {}
