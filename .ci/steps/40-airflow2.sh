#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What touches Airflow, on the oldest supported one.
set -euo pipefail
cd "$(dirname "$0")/../.."
make test-airflow2
