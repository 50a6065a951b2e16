# What a person has to bring: compilers and runtimes that the set-up does not install. Names all that is missing at once.
# shellcheck shell=bash

title() { echo "what this machine must bring"; }

wanted=(rustc cargo node npm make cc awk)
[[ $ROLE == dev ]] || wanted+=(java mvn python3)

# Programs do not change by themselves: where they are, how old they are and which toolchain is chosen is enough to look at.
fingerprint() {
  local program path
  for program in "${wanted[@]}"; do
    path=$(type -P "$program") || return 1
    printf '%s ' "$path"
    stat -L -c '%s %Y' "$path" 2>/dev/null || stat -L -f '%z %m' "$path"
  done
  echo "$ROLE ${RUSTUP_TOOLCHAIN:-} $RUSTC_MINIMUM $NODE_MINIMUM $JAVA_MINIMUM"
  cksum "${RUSTUP_HOME:-$HOME/.rustup}/settings.toml" 2>/dev/null || true
}

is_done() {
  local now
  now=$(fingerprint) && stamped "prerequisites-$ROLE" "$now"
}

install() {
  local missing=()
  # need PROGRAM MINIMUM HOW-TO-GET-IT VERSION-COMMAND…
  need() {
    local program=$1 minimum=$2 how=$3 version
    shift 3
    if ! command -v "$program" >/dev/null; then
      missing+=("$program is missing: $how")
    elif [[ $minimum != 0 ]]; then
      version=$("$@" 2>&1 | awk 'match($0, /[0-9]+(\.[0-9]+)+/) { print substr($0, RSTART, RLENGTH); exit }') || true
      at_least "${version:-0}" "$minimum" || missing+=("$program is ${version:-of unknown version}, at least $minimum is needed: $how")
    fi
  }
  need rustc "$RUSTC_MINIMUM" "https://rustup.rs, or: rustup update stable" rustc --version
  need cargo 0 "it comes with rustc: https://rustup.rs"
  need node "$NODE_MINIMUM" "https://nodejs.org, or: sudo apt-get install -y nodejs" node --version
  need npm 0 "sudo apt-get install -y npm"
  need make 0 "sudo apt-get install -y make"
  need cc 0 "sudo apt-get install -y build-essential"
  need awk 0 "sudo apt-get install -y mawk"
  if [[ $ROLE != dev ]]; then
    need java "$JAVA_MINIMUM" "sudo apt-get install -y openjdk-17-jre-headless" java -version
    need mvn 0 "sudo apt-get install -y maven"
    need python3 "$PYTHON_MINIMUM" "sudo apt-get install -y python3 python3-venv" python3 --version
  fi
  if ((${#missing[@]})); then
    printf '      %s\n' "${missing[@]}" >&2
    fail "${#missing[@]} thing(s) missing, listed above. Install them and run this again."
  fi
  stamp "prerequisites-$ROLE" "$(fingerprint)"
}
