#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Get S3 servers with known defects, and other good ones, into the cache, where tests/services/s3_servers.py looks for them.
#   tools/s3_servers.sh             those that cost seconds: gofakes3 (Go), s3mock (Maven, Java 17)
#   tools/s3_servers.sh s3s minio   others by name, each several minutes: s3s (cargo), minio, versitygw (Go); `all` for everything
set -euo pipefail

cache=$HOME/.cache/airflow-dataops/s3
mkdir -p "$cache"

by_go() { # program, module
  [ -x "$cache/$1" ] || GOTOOLCHAIN=local GOBIN=$cache nice -n 5 go install "$2"
}

get() {
  case $1 in
  gofakes3) by_go gofakes3 github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0 ;;
  minio) by_go minio github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c ;;
  versitygw) by_go versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0 ;;
  s3mock)
    [ -f "$cache/s3mock-5.2.0-exec.jar" ] ||
      nice -n 5 mvn -B -q dependency:copy -Dartifact=com.adobe.testing:s3mock:5.2.0:jar:exec -DoutputDirectory="$cache"
    ;;
  s3s)
    if [ ! -x "$cache/s3s-fs" ]; then
      folder=$(mktemp -d)
      trap 'rm -rf "$folder"' EXIT
      nice -n 5 cargo install --quiet --locked --features binary --root "$folder" s3s-fs@0.14.1 && mv "$folder/bin/s3s-fs" "$cache/"
    fi
    ;;
  *)
    echo "tools/s3_servers.sh: no server '$1'; known are gofakes3, s3mock, s3s, minio, versitygw and all" >&2
    exit 2
    ;;
  esac
}

[ $# -gt 0 ] || set -- gofakes3 s3mock
[ "$1" != all ] || set -- gofakes3 s3mock s3s minio versitygw
failed=0
for name in "$@"; do
  (get "$name") || { echo "tools/s3_servers.sh: $name cannot be had" >&2; failed=1; }
done
echo "$cache"
exit $failed
