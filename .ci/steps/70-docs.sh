#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The docs, with warnings as errors.
# Beside the others: Sphinx has one process.
set -euo pipefail
cd "$(dirname "$0")/../.."
make docs
