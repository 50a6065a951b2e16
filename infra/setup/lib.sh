# What every set-up step shares: places, messages, progress, and how packages of the system are asked for. Sourced.
# shellcheck shell=bash disable=SC2034

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SETUP=$ROOT/infra/setup
CACHE=$ROOT/.cache
TOOLS=$CACHE/tools/bin
STAMPS=$CACHE/stamps
LOGS=$CACHE/log
# shellcheck source=versions.sh
. "$SETUP/versions.sh"

say()  { printf '%s\n' "$*"; }
fail() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# Whole seconds as "41s" or "2m41s".
elapsed() { local s=$1; if ((s < 60)); then echo "${s}s"; else echo "$((s / 60))m$((s % 60))s"; fi; }

# True when version $1 is at least $2, number by number ("1.94.1" form; anything after "-" or "+" is ignored).
at_least() {
  local IFS=. i
  # shellcheck disable=SC2206
  local have=(${1%%[-+]*}) want=($2)
  for i in "${!want[@]}"; do
    ((10#${have[i]:-0} > 10#${want[i]})) && return 0
    ((10#${have[i]:-0} < 10#${want[i]})) && return 1
  done
  return 0
}

# One digest for the contents of the files named.
digest() { cat "$@" | cksum | tr ' ' '-'; }

# A stamp says that a step was finished for exactly this value.
stamped()  { [[ -f $STAMPS/$1 && $(<"$STAMPS/$1") == "$2" ]]; }
stamp()    { mkdir -p "$STAMPS"; printf '%s\n' "$2" >"$STAMPS/$1"; }

# Runs a long command into a log file, with a sign of life; answers as the command does.
#   watched NAME COMMAND…
watched() {
  local log=$LOGS/$1.log started=$SECONDS ticker status=0
  shift
  mkdir -p "$LOGS"
  : >"$log"
  (
    # Not a child's output: a sleep left behind must not hold the pipe of whoever reads ours.
    trap 'kill "$!"; exit 0' TERM
    while sleep 20 >/dev/null 2>&1 & wait $! && kill -0 $$ 2>/dev/null; do
      say "      … $(elapsed $((SECONDS - started))): $(tail -n 1 "$log" | cut -c1-100)"
    done
  ) &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  return "$status"
}

# The same, and if it fails shows the log's end and stops.
#   logged NAME COMMAND…
logged() {
  local name=$1 log=$LOGS/$1.log status=0
  watched "$@" || status=$?
  if ((status != 0)); then
    tail -n 40 "$log" >&2
    fail "$name failed (exit $status). The whole log: ${log#"$ROOT"/}"
  fi
}

# How to become root here: nothing to add, `sudo -n`, or not at all (returns 1).
as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
  else return 1
  fi
}
may_be_root() { as_root true; }

# Installs Debian packages, or says which are missing and how to get them, and stops.
#   need_packages WHAT-FOR PACKAGE…
need_packages() {
  local purpose=$1
  shift
  if ! command -v apt-get >/dev/null; then
    fail "$purpose: missing $*. This system has no apt-get: install the packages of these names (Debian's) with its own tool, then run this again."
  fi
  if ! may_be_root; then
    fail "$purpose: missing $*, and this user may not install packages. Run: sudo apt-get install -y $*"
  fi
  # A machine whose package lists are old or missing answers "unable to locate": then they are fetched, once.
  logged "apt-$1" apt_install "$@"
}
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get install -y --no-install-recommends "$@" && return 0
  as_root apt-get update && as_root apt-get install -y --no-install-recommends "$@"
}

# True when program $1 of the project's own tools says version $2.
tool_is() { [[ -x $TOOLS/$1 && $("$TOOLS/$1" --version 2>/dev/null) == *"$2"* ]]; }

# Puts programs of a crate into .cache/tools/bin: a link when the machine has that version already, else built there.
#   cargo_tool CRATE VERSION "PROGRAM…" [cargo install's further arguments]
cargo_tool() {
  local crate=$1 version=$2 programs=$3 program found all=yes
  shift 3
  mkdir -p "$TOOLS"
  for program in $programs; do
    rm -f "$TOOLS/$program"
    found=$(PATH=${PATH//"$TOOLS:"/} command -v "$program" || true)
    if [[ -n $found && $("$found" --version 2>/dev/null) == *"$version"* ]]; then
      ln -s "$found" "$TOOLS/$program"
    else
      all=no
    fi
  done
  [[ $all == yes ]] && { say "      this machine has it already"; return 0; }
  for program in $programs; do rm -f "$TOOLS/$program"; done
  # Built for quick compilation: these programs run for seconds, and compile for minutes. OPTIMISE=0 suits one that only starts others.
  CARGO_TARGET_DIR=$CACHE/build/$crate CARGO_PROFILE_RELEASE_OPT_LEVEL=${OPTIMISE:-1} CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
    logged "$crate" cargo install --root "$CACHE/tools" --force --version "$version" "$@" "$crate"
  rm -rf "$CACHE/build/$crate"
}

# Fetches the jars that infra/setup/NAME/pom.xml names, and what they need, from Maven Central into .cache/NAME/lib.
#   maven_jars NAME
maven_jars() {
  local name=$1 pom=$SETUP/$1/pom.xml lib=$CACHE/$1/lib
  rm -rf "$lib"
  mkdir -p "$lib"
  # The plugin by its full name: without a version, each Maven takes one of its own.
  logged "$name" mvn -B -f "$pom" \
    "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN_VERSION:copy-dependencies" "-DoutputDirectory=$lib"
  stamp "$name" "$(digest "$pom")"
}

# True when they are there, among them JAR of any version, as the pom.xml wants them.
#   has_maven_jars NAME JAR
has_maven_jars() { compgen -G "$CACHE/$1/lib/$2-*.jar" >/dev/null && stamped "$1" "$(digest "$SETUP/$1/pom.xml")"; }

# Makes a Python environment of the project's own in FOLDER, with the packages that a file names.
#   python_environment NAME FOLDER REQUIREMENTS
python_environment() {
  local name=$1 folder=$2 requirements=$3
  rm -rf "$folder"
  # Debian keeps venv's half, ensurepip, in a package of its own.
  python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages "$(title)" python3-venv
  logged "$name-venv" python3 -m venv "$folder"
  logged "$name-pip" "$folder/bin/python" -m pip install --disable-pip-version-check --no-input -r "$requirements"
}

# The version of a package in Cargo.lock.
locked_version() {
  awk -v want="name = \"$1\"" '$0 == want { getline; gsub(/[^0-9.]/, ""); print; exit }' "$ROOT/Cargo.lock"
}
