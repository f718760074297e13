# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced from the project's folder: sets $uv to a working uv, installed by pip into .tools/uv where there is none, and hands
# it the package index that pip is configured for, since uv does not read pip's settings.

find_python() {
  local python
  for python in python3 python3.13 python3.12 python3.11 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  echo "no Python 3.11 or newer on PATH (tried python3, python3.13, python3.12, python3.11, python)" >&2
  return 1
}

install_uv() {
  local python
  python=$(find_python)
  echo "installing uv into .tools/uv" >&2
  rm -rf .tools/uv
  # Debian splits ensurepip off into python3-venv; without it, a pip that is already there does as well.
  if "$python" -m venv .tools/uv >/dev/null 2>&1; then
    .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
  elif rm -rf .tools/uv && "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip install --quiet --disable-pip-version-check --target .tools/uv "uv>=0.5"
  else
    echo "$python can neither make a virtual environment nor run pip; install python3-venv, or uv itself" >&2
    return 1
  fi
}

pip_setting() {
  local python
  python=$(find_python) && "$python" -m pip config get "global.$1" 2>/dev/null || true
}

if .tools/uv/bin/uv --version >/dev/null 2>&1; then
  uv=$PWD/.tools/uv/bin/uv
elif uv --version >/dev/null 2>&1; then
  uv=uv
else
  install_uv
  uv=$PWD/.tools/uv/bin/uv
fi

if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
  index=${PIP_INDEX_URL:-$(pip_setting index-url)}
  if [ -n "$index" ]; then export UV_DEFAULT_INDEX=$index; fi
fi
if [ -z "${SSL_CERT_FILE:-}" ]; then
  cert=${PIP_CERT:-$(pip_setting cert)}
  if [ -n "$cert" ]; then export SSL_CERT_FILE=$cert; fi
fi
