#!/usr/bin/env bash
# Runs clippy on the edge as WebAssembly; warnings are errors.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=wasm-env.sh
. "$SETUP/wasm-env.sh"
cd "$ROOT"
set -x
if [[ ${RUSTUP_TOOLCHAIN:-} == debian ]]; then
  # Debian's compiler comes without clippy, and clippy's own compiler here without this target: the compiler's warnings then.
  RUSTFLAGS="-D warnings" cargo check --target wasm32-unknown-unknown -p echoes-edge --all-targets
else
  cargo clippy --target wasm32-unknown-unknown -p echoes-edge --all-targets -- -D warnings
fi
