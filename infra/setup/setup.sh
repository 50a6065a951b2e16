#!/usr/bin/env bash
# Installs what a role needs and the machine lacks, and nothing twice: `setup.sh dev|full|test|bench|ci`.
#
# Each step is a file of steps/ with three functions: `title` names it, `is_done` looks at the real state (quickly), and
# `install` brings that state about. Everything that needs no root goes into .cache/ and node_modules/.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dev=(prerequisites wasm-target worker-build wasm-bindgen npm)
testing=("${dev[@]}" servers opensearch dynamodb-local python)
case ${1:-} in
  dev)  steps=("${dev[@]}") ;;
  full) steps=("${dev[@]}" servers opensearch) ;;
  test) steps=("${testing[@]}") ;;
  bench) steps=("${testing[@]}" bench-peers) ;;
  ci)   steps=("${testing[@]}" cargo-deny) ;;
  *)    fail "usage: setup.sh dev|full|test|bench|ci" ;;
esac
ROLE=$1

started=$SECONDS
done_already=0
for i in "${!steps[@]}"; do
  set +e
  (
    set -e
    # shellcheck disable=SC1090
    . "$SETUP/steps/${steps[i]}.sh"
    is_done && exit 0
    step_started=$SECONDS
    say "[$((i + 1))/${#steps[@]}] $(title) …"
    install
    is_done || fail "$(title): installed, yet it does not work. Look at .cache/log/."
    say "[$((i + 1))/${#steps[@]}] $(title) … $(elapsed $((SECONDS - step_started)))"
    exit 9
  )
  status=$?
  set -e
  case $status in
    0) done_already=$((done_already + 1)) ;;
    9) ;;
    *) exit "$status" ;;
  esac
done
if ((done_already == ${#steps[@]})); then
  say "set-up ($ROLE): all ${#steps[@]} steps were done already"
else
  say "set-up ($ROLE): ready in $(elapsed $((SECONDS - started)))"
fi
