#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What runs without Airflow, where there is none, on the oldest dependencies that are admitted.
set -euo pipefail
cd "$(dirname "$0")/../.."
make test-lowest
