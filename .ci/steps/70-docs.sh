#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The docs, with warnings as errors.
set -euo pipefail
cd "$(dirname "$0")/../.."
make docs
