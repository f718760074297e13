#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same tests on the oldest supported Airflow.
set -euo pipefail
cd "$(dirname "$0")/../.."
make test-airflow2
