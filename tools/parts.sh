#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs tests in parts, each in a process of its own: tools/parts.sh LANES "MORE ARGUMENTS" PYTHON:PATH...
# A part is a file of integration tests, or the folder of engine spark's, and the Python to run it with. LANES at a time, in the order given; what
# a part printed is shown whole when it has ended. Goes on after a failure, and fails at the end.
# A part that failed beside others is played once more, alone: where it passes then, the last line names it as UNSTEADY. That is a bug to be mended, of
# the test or of the product (what it printed stands above), and no reason to stop all else. Three of them are more than bad luck: they fail.
set -uo pipefail
lanes=$1 arguments=$2
shift 2
failed=$(mktemp)
trap 'rm -f "$failed"' EXIT

part() {
  local said status started=$SECONDS python=${2%%:*} path=${2#*:} marks="integration and not soak"
  [[ $path == tests/spark* ]] && marks="not soak" # all that is there needs Spark, and nothing else
  # shellcheck disable=SC2086 # several arguments in one
  said=$({ time "$python" -m pytest -q -m "$marks" $1 "$path"; } 2>&1)
  status=$?
  [ $status = 5 ] && status=0 # nothing of that file is to be run here
  printf '%s\n=== %s by %s: %s in %d s\n' "$said" "$path" "$python" "$([ $status = 0 ] && echo ok || echo FAILED)" $((SECONDS - started))
  [ $status = 0 ] || printf '%s\0' "$2" >> "$failed"
  return $status
}
export -f part
export failed TIMEFORMAT="%U + %S s of CPU" # of processes that were waited for; those of servers, forks and JVMs, often ten times as much, are not in it
printf '%s\0' "$@" | xargs -0 -P "$lanes" -I{} bash -c 'part "$@"' _ "$arguments" {} && exit
mapfile -d '' again < "$failed"
printf '\n=== failed beside others: %s\n' "${again[*]:-none}"
[ ${#again[@]} -ge 1 ] && [ ${#again[@]} -le 2 ] && [ "$lanes" -gt 1 ] || exit 1
for one in "${again[@]}"; do part "$arguments" "$one" || exit 1; done
printf '\n=== UNSTEADY, passed alone: %s\n' "${again[*]}"
