# Rust for wasm32-unknown-unknown: what the toolchain has, else rustup's, else Debian's compiler with a standard library
# built here. The way taken is left in .cache/wasm.env, which every build for WebAssembly reads.
# ECHOES_WASM=debian forces the last way, ECHOES_WASM=rustup forbids it.
# shellcheck shell=bash

title() { echo "Rust's wasm32-unknown-unknown target"; }

TARGET=wasm32-unknown-unknown
ENV_FILE=$CACHE/wasm.env
DEBIAN_LIBRARIES=/usr/lib/rustlib/$TARGET/lib

toolchain_has_it() {
  local libraries
  libraries=$(rustc --print target-libdir --target "$TARGET" 2>/dev/null) && compgen -G "$libraries/libstd-*.rlib" >/dev/null
}
debian_rustc() { /usr/bin/rustc --version 2>/dev/null; }

is_done() {
  local way
  [[ -f $ENV_FILE ]] || return 1
  way=$(sed -n 's/^# way: //p' "$ENV_FILE")
  [[ -z ${ECHOES_WASM:-} || $ECHOES_WASM == "$way" ]] || return 1
  case $way in
    rustup) toolchain_has_it ;;
    # A library fits only the compiler that built it, and Debian updates its compiler.
    debian) compgen -G "$DEBIAN_LIBRARIES/libstd-*.rlib" >/dev/null && [[ -x /usr/bin/wasm-ld-19 ]] \
              && [[ $(<"$DEBIAN_LIBRARIES/built-by") == "$(debian_rustc)" ]] ;;
    *)      return 1 ;;
  esac
}

install() {
  mkdir -p "$CACHE" "$LOGS"
  rm -f "$ENV_FILE"
  if [[ ${ECHOES_WASM:-} != debian ]]; then
    if toolchain_has_it || from_rustup; then
      echo "# way: rustup" >"$ENV_FILE"
      return 0
    fi
    [[ ${ECHOES_WASM:-} != rustup ]] || fail "rustup could not add $TARGET: see .cache/log/rustup.log"
  fi
  from_debian
  local compiler
  if command -v rustup >/dev/null; then
    logged rustup-link rustup toolchain link debian /usr
    compiler="export RUSTUP_TOOLCHAIN=debian"
  else
    # shellcheck disable=SC2016
    compiler='export PATH=/usr/bin:$PATH'
  fi
  printf '%s\n' "# way: debian" "$compiler" "export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19" >"$ENV_FILE"
}

from_rustup() {
  command -v rustup >/dev/null || { say "      there is no rustup"; return 1; }
  # One try and ten minutes: behind a closed network each retry waits for nothing. (macOS has no `timeout`.)
  local limit=()
  if command -v timeout >/dev/null; then limit=(timeout 600); fi
  say "      asking rustup for it"
  watched rustup env RUST_BACKTRACE=0 RUSTUP_MAX_RETRIES=1 ${limit[@]+"${limit[@]}"} rustup target add "$TARGET" \
    && toolchain_has_it && return 0
  say "      rustup could not fetch it: $(grep -m 1 "^error" "$LOGS/rustup.log" || tail -n 1 "$LOGS/rustup.log")"
  return 1
}

from_debian() {
  local scratch=$CACHE/build/wasm-std
  say "      the Debian way: its compiler, and a standard library built from its sources"
  dpkg -s rustc-web cargo-web rust-web-src lld-19 >/dev/null 2>&1 \
    || need_packages "$(title)" rustc-web cargo-web rust-web-src lld-19
  if [[ -f $DEBIAN_LIBRARIES/built-by && $(<"$DEBIAN_LIBRARIES/built-by") == "$(debian_rustc)" ]]; then
    return 0
  fi
  may_be_root || fail "the standard library for $TARGET goes to $DEBIAN_LIBRARIES, and this user may not write there. Run this once as root."
  rm -rf "$scratch"
  mkdir -p "$scratch/src"
  printf '[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$scratch/Cargo.toml"
  : >"$scratch/src/lib.rs"
  logged wasm-std build_std "$scratch"
  as_root rm -rf "$DEBIAN_LIBRARIES"
  as_root mkdir -p "$DEBIAN_LIBRARIES"
  rm -f "$scratch"/target/"$TARGET"/release/deps/libscratch-*.rlib
  as_root cp "$scratch"/target/"$TARGET"/release/deps/*.rlib "$DEBIAN_LIBRARIES/"
  debian_rustc >"$scratch/built-by"
  as_root cp "$scratch/built-by" "$DEBIAN_LIBRARIES/built-by"
  rm -rf "$scratch"
}

# The crates of the standard library, with bitcode, without which link-time optimisation fails later. panic_unwind, proc_macro
# and test are named so that the result is as complete as rustup's.
build_std() (
  cd "$1" && env -u RUSTUP_TOOLCHAIN CARGO_TARGET_DIR="$1/target" RUSTFLAGS=-Cembed-bitcode=yes RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
    /usr/bin/cargo build --release --target "$TARGET" -Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test
)
