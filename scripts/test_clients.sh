#!/usr/bin/env bash
# Installs the clients of other makers that the tests drive, into build/clients, and prints `export` lines that name them.
#
#     eval "$(scripts/test_clients.sh)" && python -m pytest tests/server/test_programs.py tests/serving/test_js_client.py
#
# Python and Node with npm are needed; where Node is missing, only the Python client is installed and its tests run alone.
set -euo pipefail
cd "$(dirname "$0")/.."
clients=$PWD/build/clients
python=${PYTHON:-python3}

# packages VARIABLE NAME PACKAGE...: install npm packages into the folder NAME, unless just these are there, and name it in VARIABLE.
packages() {
  local variable=$1 folder=$clients/$2
  shift 2
  if [ "$(cat "$folder/.made" 2>/dev/null)" != "$*" ]; then
    rm -rf "$folder" && mkdir -p "$folder"
    echo '{"private": true, "type": "module"}' >"$folder/package.json"
    echo "Installing $* into $folder" >&2
    npm install --prefix "$folder" --no-audit --no-fund --no-package-lock --loglevel=error "$@" </dev/null >&2
    echo "$*" >"$folder/.made"
  fi
  echo "export $variable='$folder'"
}

if command -v npm >/dev/null; then
  packages MEMGPT_TEST_NODE langgraph @langchain/langgraph-sdk@1.15.0 @langchain/core@1.4.0 react@19.3.1 react-dom@19.3.1 jsdom@26.1.0
  packages MEMGPT_TEST_NEW_LETTA_MODULES letta @letta-ai/letta-client@1.12.1
  packages MEMGPT_TEST_OLD_LETTA_MODULES letta-old @letta-ai/letta-client@0.1.211
else
  echo "npm is missing; the JavaScript clients are left out." >&2
fi

old=$clients/letta-old-python
if [ "$(cat "$old/.made" 2>/dev/null)" != 0.1.324 ]; then
  echo "Installing letta-client 0.1.324 into $old" >&2
  rm -rf "$old" && "$python" -m venv "$old"
  "$old/bin/python" -m pip install --disable-pip-version-check --quiet letta-client==0.1.324 </dev/null >&2
  echo 0.1.324 >"$old/.made"
fi
echo "export MEMGPT_TEST_OLD_LETTA_PYTHON='$old/bin/python'"
