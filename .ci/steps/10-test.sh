#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests on the newest Airflow.
set -euo pipefail
cd "$(dirname "$0")/../.."
make test
