# The surroundings of every build for WebAssembly: the compiler that the set-up chose, a target folder of its own (two
# compilers in one folder rebuild each other's work), and the project's own programs in place of downloads. Sourced after lib.sh.
# shellcheck shell=bash

[[ -f $CACHE/wasm.env ]] || fail "run infra/setup/setup.sh dev first"
# shellcheck disable=SC1091
. "$CACHE/wasm.env"
export PATH=$ROOT/node_modules/.bin:$TOOLS:$PATH
export CARGO_TARGET_DIR=$ROOT/target/edge
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$TOOLS/wasm-bindgen-test-runner
export WASM_BINDGEN_BIN=$TOOLS/wasm-bindgen
export WASM_OPT_BIN=$ROOT/node_modules/.bin/wasm-opt
export ESBUILD_BIN=$ROOT/node_modules/.bin/esbuild
# worker-build sets this for its own compilation; with it everywhere, checks and tests see the same expansion.
export WASM_BINDGEN_USE_JS_SYS=1
