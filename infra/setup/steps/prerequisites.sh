# Compilers and runtimes. What apt has is installed where the set-up may (as root, or with a sudo that asks nothing); Rust and
# Node, whose packages are often too old, a person has to bring. Names all that is missing at once.
# shellcheck shell=bash

title() { echo "compilers and runtimes"; }

wanted=(rustc cargo node npm make cc awk)
[[ $ROLE == dev ]] || wanted+=(java mvn)
[[ $ROLE == dev || $ROLE == full ]] || wanted+=(python3)

# Programs do not change by themselves: where they are, how old they are and which toolchain is chosen is enough to look at.
fingerprint() {
  local program path
  for program in "${wanted[@]}"; do
    path=$(type -P "$program") || return 1
    printf '%s ' "$path"
    stat -L -c '%s %Y' "$path" 2>/dev/null || stat -L -f '%z %m' "$path"
  done
  echo "$ROLE ${RUSTUP_TOOLCHAIN:-} $RUSTC_MINIMUM $NODE_MINIMUM $JAVA_MINIMUM $PYTHON_MINIMUM"
  cksum "${RUSTUP_HOME:-$HOME/.rustup}/settings.toml" 2>/dev/null || true
}

is_done() {
  local now
  now=$(fingerprint) && stamped "prerequisites-$ROLE" "$now"
}

# look PROGRAM MINIMUM PACKAGE HOW [VERSION-COMMAND…]: adds to `packages` what apt may bring, to `missing` what is missing.
# PACKAGE is "-" when a person has to bring it; HOW then says from where.
look() {
  local program=$1 minimum=$2 package=$3 how=$4 version found
  shift 4
  if ! command -v "$program" >/dev/null; then
    found="is missing"
  elif (($#)); then
    # The first number is the version, except on the line by which Java says that it was given options.
    version=$("$@" 2>&1 | awk '!/^Picked up/ && match($0, /[0-9]+(\.[0-9]+)*/) { print substr($0, RSTART, RLENGTH); exit }') || true
    at_least "${version:-0}" "$minimum" && return 0
    found="is ${version:-of unknown version}, at least $minimum is needed"
  else
    return 0
  fi
  if [[ $package == - ]]; then
    missing+=("$program $found: $how")
    own=yes
  else
    # shellcheck disable=SC2206
    packages+=($package)
    missing+=("$program $found: sudo apt-get install -y $package")
  fi
}

look_at_everything() {
  missing=() packages=() own=no
  look rustc "$RUSTC_MINIMUM" - "https://rustup.rs, or: rustup update stable" rustc --version
  look cargo 0 - "it comes with rustc: https://rustup.rs"
  if [[ $ROLE == ci ]]; then
    look_at_component fmt
    look_at_component clippy
  fi
  look node "$NODE_MINIMUM" - "$(node_from)" node --version
  look npm 0 - "it comes with Node from https://nodejs.org; Debian has it as a package of its own, npm"
  look make 0 make ""
  look cc 0 build-essential ""
  look awk 0 mawk ""
  if [[ $ROLE != dev ]]; then
    look java "$JAVA_MINIMUM" "$(java_package)" "" java -version
    look mvn 0 maven ""
  fi
  if [[ $ROLE != dev && $ROLE != full ]]; then
    look python3 "$PYTHON_MINIMUM" "python3 python3-venv" "" python3 --version
  fi
}

# look_at_component NAME: a part of Rust that comes as a cargo subcommand.
look_at_component() {
  command -v cargo >/dev/null || return 0
  if ! cargo "$1" --version >/dev/null 2>&1; then
    missing+=("cargo $1 is missing: rustup component add rustfmt clippy")
    own=yes
  fi
}

# The version that apt would install, or nothing.
apt_candidate() {
  command -v apt-cache >/dev/null || return 0
  apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ { sub(/^[0-9]+:/, "", $2); sub(/[^0-9.].*/, "", $2); print $2 }'
}

# Debian 12's own Node is 18: apt is named only where it has one that will do.
node_from() {
  local candidate
  candidate=$(apt_candidate nodejs)
  if [[ -n $candidate ]] && at_least "$candidate" "$NODE_MINIMUM"; then
    echo "https://nodejs.org, or: sudo apt-get install -y nodejs"
  else
    echo "https://nodejs.org, or https://github.com/nodesource/distributions (this system's own package is too old)"
  fi
}

# Releases after Debian 12 have a later Java only.
java_package() {
  if [[ -n $(apt_candidate openjdk-17-jre-headless) ]]; then echo openjdk-17-jre-headless; else echo default-jre-headless; fi
}

install() {
  local missing packages own
  look_at_everything
  # Not before a person has brought the rest: who has to run this again anyway should know it at once.
  if [[ $own == no ]] && ((${#packages[@]})) && command -v apt-get >/dev/null && may_be_root; then
    say "      installing ${packages[*]}"
    need_packages "$(title)" "${packages[@]}"
    hash -r
    look_at_everything
  fi
  if ((${#missing[@]})); then
    printf '      %s\n' "${missing[@]}" >&2
    fail "${#missing[@]} thing(s) missing, listed above. Install them and run this again."
  fi
  stamp "prerequisites-$ROLE" "$(fingerprint)"
}
