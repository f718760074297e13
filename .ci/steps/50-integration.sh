#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests that cross areas or start processes, on both lines of Airflow; and engine spark: what it makes of a table is what DuckDB makes of it, on
# each line of Spark.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools/needed.sh
make integration-all
