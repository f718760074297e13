#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests that cross areas or start processes.
set -euo pipefail
cd "$(dirname "$0")/../.."
make integration integration-airflow2
