#!/usr/bin/env bash
# Exports the cases and runs them in onnxruntime: run.sh WRITE_CASES BUILD_DIR
# The expected outputs are those of the executor that the program WRITE_CASES is linked with.
# Exit code 77 (skipped) with the reason where Node or its packages cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
write_cases=$1
build=$2
skip() {
  echo "SKIPPED: $*"
  exit 77
}
command -v node >/dev/null || skip "node is not installed (Debian package nodejs)"
reason=$("$here/../../scripts/npm-tools" "$build/npm" 2>&1) ||
  skip "onnxruntime-node cannot be installed: ${reason##*$'\n'}"
folder="$build/$(basename "$write_cases").d"
rm -rf "$folder"
"$write_cases" "$folder"
NODE_MODULES="$build/npm" node "$here/compare.mjs" "$folder"
