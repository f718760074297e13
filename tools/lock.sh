#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Resolves the dependencies into requirements/*.txt: exact versions and hashes, for every platform and Python, naming no index.
# Pins that still fit are kept; `tools/lock.sh --upgrade` takes the newest of everything.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/uv.sh

compile() {
  "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@" >/dev/null
}

shell=(--extra airflow --extra composer --extra dask --extra gx --extra kafka-bastion --extra kafka-health --extra kubernetes --extra metadata --extra metadata-client --extra msk --extra openlineage --extra s3 --group build --group test)
compile "${shell[@]}" --extra yarn --group lint --group docs --group fuzz -c requirements/airflow3.in -o requirements/airflow3.txt "$@"
compile "${shell[@]}" --group compiled -c requirements/airflow2.in -o requirements/airflow2.txt "$@"
# Subsets of the main environment, in the same versions.
compile --extra airflow --group build -c requirements/airflow3.txt -o requirements/demo.txt
compile -c requirements/airflow3.txt -o requirements/base.txt
# What the image of the metadata API and worker installs.
compile --extra metadata -c requirements/airflow3.txt -o requirements/metadata.txt
# The oldest versions that pyproject.toml admits, without Airflow.
compile --extra dask --extra gcp --extra kafka-bastion --extra kubernetes --extra metadata --extra metadata-client --extra msk --group build --group test --resolution lowest-direct -o requirements/lowest.txt "$@"
# For each line of Spark: what its image installs (with docker/spark-jars.lock), and its tests.
for line in spark35 spark40; do
  compile --extra s3 --extra spark --group build --group test -c requirements/$line.in -c requirements/airflow3.txt -o requirements/$line-test.txt
  compile --extra s3 --extra spark -c requirements/$line.in -c requirements/$line-test.txt -o requirements/$line.txt
done
