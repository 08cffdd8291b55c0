#!/usr/bin/env bash
# Runs a command with the JavaScript packages of the tests: run.sh BUILD_DIR COMMAND...
# Exit code 77 (skipped) with the reason where the packages cannot be had. The command finds them by
# CONOPA_NPM, the folder of node_modules, and CONOPA_LLAMA_CPP, that of llama.cpp's library.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
skip() {
  echo "SKIPPED: $*"
  exit 77
}
command -v node >/dev/null || skip "node is not installed (Debian package nodejs)"
reason=$("$here/../../scripts/npm-tools" "$build/npm" 2>&1) ||
  skip "the packages of tests/npm cannot be installed: ${reason##*$'\n'}"
export CONOPA_NPM="$build/npm/node_modules"
export CONOPA_LLAMA_CPP="$CONOPA_NPM/@node-llama-cpp/linux-x64/bins/linux-x64"
[ -d "$CONOPA_LLAMA_CPP" ] || skip "llama.cpp has no package for this machine"
exec "$@"
