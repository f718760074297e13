#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build the Kubernetes of the tests (etcd, API server, controller manager, scheduler, kubelet in one binary) once, into the cache,
# where the tests look for it under a key of its sources. Needs Go and 10 to 20 minutes of two cores; nothing to do if it is there.
#   tools/kube.sh          build, print the path
#   tools/kube.sh --path   print the path only
set -euo pipefail
cd "$(dirname "$0")/../tests/services/kube"

key=$(cat go.mod go.sum main.go | sha256sum | cut -c1-16)
kube=${XDG_CACHE_HOME:-$HOME/.cache}/airflow-dataops/kube/$key/kube
if [ "${1:-}" = --path ] || [ -x "$kube" ]; then
  echo "$kube"
  exit
fi
if ! command -v go > /dev/null; then
  echo "tools/kube.sh: no 'go' on the PATH; install Go $(awk '$1 == "go" {print $2}' go.mod) or newer" >&2
  exit 1
fi

version=$(awk '$1 == "k8s.io/kubernetes" && !/=>/ {print $2}' go.mod)
v=k8s.io/component-base/version # without these the server says v0.0.0-master
flags="-s -w -X $v.gitVersion=$version -X $v.gitMajor=1 -X $v.gitMinor=$(echo "$version" | cut -d. -f2)"
flags+=" -X $v.gitTreeState=clean -X $v.gitCommit=$(printf '0%.0s' {1..40}) -X $v.buildDate=2025-01-01T00:00:00Z"

mkdir -p "$(dirname "$kube")"
exec 9> "$kube.lock"
flock 9 # two builds at once would only take twice as long
if [ ! -x "$kube" ]; then
  GOTOOLCHAIN=local CGO_ENABLED=0 nice -n 19 go build -p "${JOBS:-2}" -trimpath -buildvcs=false -mod=readonly \
    -ldflags "$flags" -o "$kube.part" .
  mv "$kube.part" "$kube"
fi
echo "$kube"
