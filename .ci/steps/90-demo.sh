#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer does first.
# Beside the others: Airflow plays one task at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."
make demo
