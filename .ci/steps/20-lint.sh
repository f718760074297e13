#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Style, formatting, and who may import whom.
set -euo pipefail
cd "$(dirname "$0")/../.."
make lint
