# wrangler, Node 22, esbuild and wasm-opt, at the versions of package-lock.json.
# shellcheck shell=bash

title() { echo "npm packages (wrangler, Node 22, esbuild, binaryen)"; }

BIN=$ROOT/node_modules/.bin
wanted() { digest "$ROOT/package.json" "$ROOT/package-lock.json"; }

is_done() {
  [[ -x $BIN/wrangler && -x $BIN/esbuild && -x $BIN/wasm-opt && -x $BIN/node ]] && stamped npm "$(wanted)"
}

install() {
  # Not `npm ci`: it refuses a lock file that lacks workerd for some other system, and a registry need not offer them all.
  # Without saving, `npm install` follows the lock file just the same and leaves it as it is.
  logged npm npm --prefix "$ROOT" install --no-save --no-audit --no-fund
  # npm may hold back install scripts and say so only in a warning; then a program is a stub. So each one runs once.
  runs node v22. "$BIN/node" --version
  runs esbuild "$(in_lock esbuild)" "$BIN/esbuild" --version
  runs wasm-opt "version $(in_lock binaryen | cut -d. -f1)" "$BIN/node" "$BIN/wasm-opt" --version
  runs wrangler "$(in_lock wrangler)" "$BIN/node" "$BIN/wrangler" --version
  runs workerd workerd "$BIN/workerd" --version
  stamp npm "$(wanted)"
}

in_lock() { "$BIN/node" -p "require('$ROOT/package-lock.json').packages['node_modules/$1'].version"; }

# runs NAME EXPECTED COMMAND…
runs() {
  local name=$1 expected=$2 said
  shift 2
  said=$(WRANGLER_SEND_METRICS=false "$@" 2>&1 </dev/null) || true
  [[ $said == *"$expected"* ]] || fail "$name does not run: wanted \"$expected\", it said: ${said:-nothing}
      npm may have skipped its install script: try  npm rebuild  or allow the script (npm config get ignore-scripts)."
}
