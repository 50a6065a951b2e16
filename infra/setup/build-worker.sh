#!/usr/bin/env bash
# Builds the edge into edge/build, with the project's own tools and no download, and prints the bundle's size.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=wasm-env.sh
. "$SETUP/wasm-env.sh"

# Where worker-build leaves the two files that are deployed, which depends on whose shim it uses.
module=build/index_bg.wasm script=build/index.js
if [[ -f $ROOT/edge/shim.js ]]; then
  export CUSTOM_SHIM=$ROOT/edge/shim.js
  module=build/worker/index.wasm script=build/worker/shim.mjs
fi

cd "$ROOT/edge"
"$TOOLS/worker-build" --profile worker

# worker-build keeps the functions' names, a sixth of the module; only a stack trace would show them. The compiler must not
# drop them, because it drops with them what wasm-bindgen reads. The features are worker-build's own list.
features=()
for feature in mutable-globals sign-ext nontrapping-float-to-int bulk-memory multivalue reference-types exception-handling; do
  features+=("--enable-$feature")
done
# In one step: a `wrangler dev` that watches must not read half a module.
"$WASM_OPT_BIN" "${features[@]}" -Oz --strip-debug "$module" -o build/smaller.wasm
mv build/smaller.wasm "$module"

touch build/index.js  # there in both cases: what make compares with the sources

packed() { gzip -9c "$1" | wc -c; }
for file in "$module" "$script"; do
  printf 'edge/%s: %d bytes, %d gzipped\n' "$file" "$(wc -c <"$file")" "$(packed "$file")"
done
printf 'Worker bundle: %d KiB, %d KiB gzipped\n' \
  $((($(wc -c <"$module") + $(wc -c <"$script")) / 1024)) $((($(packed "$module") + $(packed "$script")) / 1024))
