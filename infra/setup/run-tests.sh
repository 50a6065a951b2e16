#!/usr/bin/env bash
# Runs every test, in sections, from what is built already, and prints what each section took.
#   run-tests.sh [SECTION…]   of: native wasm black-box (all of these when none is named), and soak
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

export ECHOES_DYNAMODB_LOCAL=$CACHE/dynamodb-local/lib
export ECHOES_OPENSEARCH=$CACHE/opensearch/lib
export ECHOES_PYTHON=$CACHE/venv/bin/python
export ECHOES_STACK_COMMAND=$SETUP/dev.sh

# The same packages in all sections: with others their common crates would be built once more, with other features.
packages=(--workspace --exclude echoes-edge --exclude echoes-tests)

native() {
  cargo test "${packages[@]}"
}
# The same rules, in the form in which the Worker runs them. A package whose tests are all plain `#[test]` has none here, and
# the runner calls that a success: so it is looked for.
wasm() (
  # shellcheck source=wasm-env.sh
  . "$SETUP/wasm-env.sh"
  mkdir -p "$LOGS"
  cargo test --target wasm32-unknown-unknown -p echoes-shared -p echoes-edge --lib 2>&1 | tee "$LOGS/wasm-tests.log"
  ! grep -B 1 'no tests to run' "$LOGS/wasm-tests.log" || fail "a package has no wasm_bindgen_test"
)
black_box() {
  cargo test -p echoes-tests
}
# What is killed in the other sections a few times is killed ROUNDS times; what goes wrong there for seconds does for MINUTES.
soak() {
  ECHOES_SOAK_ROUNDS=${ROUNDS:-100} cargo test "${packages[@]}" --test program --test transfer -- killed throttled
  ECHOES_SOAK_SECONDS=$((${MINUTES:-10} * 60)) cargo test "${packages[@]}" --test caches -- --nocapture
}

summary=()
section() {
  local name=$1 started=$SECONDS
  printf '\n=== %s\n' "$name"
  shift
  "$@" </dev/null
  summary+=("$(printf '%-60s %s' "$name" "$(elapsed $((SECONDS - started)))")")
}

(($#)) || set -- native wasm black-box
for name in "$@"; do
  case $name in
    native)    section "unit and store tests: shared, core, embedded cloud" native ;;
    wasm)      section "the shared rules and the edge as WebAssembly, under Node" wasm ;;
    black-box) section "boundaries, and black-box tests through the running stack" black_box ;;
    soak)      section "kills of imports, erasures, sweeps and workers; throttling" soak ;;
    *)         fail "unknown section $name: native wasm black-box soak" ;;
  esac
done
printf '\n=== all sections passed\n'
printf '%s\n' "${summary[@]}" "$(printf '%-60s %s' total "$(elapsed $SECONDS)")"
