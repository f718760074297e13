#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Get what looks at infra/edge into the cache, where tests/services/edge_tools.py looks for it: kustomize (Go, half a minute), and promtool,
# unpacked from Debian's package `prometheus` (19 MB), which is not installed.
#   tools/edge_tools.sh             both
#   tools/edge_tools.sh promtool    one by name
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/airflow-dataops/edge
mkdir -p "$cache"

get() {
  case $1 in
  kustomize)
    [ -x "$cache/kustomize" ] || GOTOOLCHAIN=local GOBIN=$cache nice -n 5 go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.0
    ;;
  promtool)
    [ ! -x "$cache/promtool" ] || return 0
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    chmod 755 "$folder"
    (cd "$folder" && apt-get download -q prometheus)
    dpkg-deb -x "$folder"/prometheus_*.deb "$folder"
    mv "$folder/usr/bin/promtool" "$cache/"
    ;;
  *)
    echo "tools/edge_tools.sh: no program '$1'; known are kustomize and promtool" >&2
    exit 2
    ;;
  esac
}

[ $# -gt 0 ] || set -- kustomize promtool
failed=0
for name in "$@"; do
  (get "$name") || { echo "tools/edge_tools.sh: $name cannot be had" >&2; failed=1; }
done
echo "$cache"
exit $failed
