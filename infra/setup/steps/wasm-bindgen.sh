# wasm-bindgen writes the JavaScript around a module and runs its tests; it must be of the library's own version.
# shellcheck shell=bash

version=$(locked_version wasm-bindgen)
title()   { echo "wasm-bindgen $version"; }
is_done() { tool_is wasm-bindgen "$version" && tool_is wasm-bindgen-test-runner "$version"; }
install() {
  [[ -n $version ]] || fail "Cargo.lock names no wasm-bindgen"
  # Without --locked: its lock file names a yanked crate.
  cargo_tool wasm-bindgen-cli "$version" "wasm-bindgen wasm-bindgen-test-runner"
}
