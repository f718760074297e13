#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each benchmark once, small: it runs, and its counts hold.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools/needed.sh # a benchmark skips where it finds no Spark
make bench SMOKE=1
