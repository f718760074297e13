#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the path of a working uv; where there is none, installs one by pip into .tools/uv.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.tools/uv
for candidate in "$own/bin/uv" "$(command -v uv || true)"; do
  if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
    echo "$candidate"
    exit
  fi
done
for python in python3 python3.13 python3.12 python3.11; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi
  python=
done
if [ -z "$python" ]; then
  echo "no Python 3.11 or newer on PATH; install one, e.g. 'apt-get install python3.11 python3.11-venv'" >&2
  exit 1
fi
echo "installing uv into $own" >&2
rm -rf "$own"
# Debian splits ensurepip off into python3-venv: without it, a pip that is already there does as well.
if "$python" -m venv "$own" >/dev/null 2>&1; then
  "$own/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.5" >&2
elif rm -rf "$own" && "$python" -m pip --version >/dev/null 2>&1; then
  "$python" -m pip install --quiet --disable-pip-version-check --target "$own" "uv>=0.5" >&2
else
  echo "$python can make no virtual environment and has no pip; install one of them (Debian: python3-venv) or uv" >&2
  exit 1
fi
echo "$own/bin/uv"
