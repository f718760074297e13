#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer does first.
set -euo pipefail
cd "$(dirname "$0")/../.."
make demo
