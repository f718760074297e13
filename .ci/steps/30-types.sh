#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mypy --strict.
# Beside the others: mypy has one thread.
set -euo pipefail
cd "$(dirname "$0")/../.."
make types
