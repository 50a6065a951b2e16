# What the caches and the stream are raced against: nginx and FastAPI under a load by wrk, a poller in Python.
# shellcheck shell=bash

title() { echo "nginx, wrk, FastAPI, clients of OpenSearch and DynamoDB"; }

BENCH_REQUIREMENTS=$SETUP/python/bench-requirements.txt
BENCH_VENV=$CACHE/bench-venv

missing() {
  command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]] || echo nginx-light
  command -v wrk >/dev/null || echo wrk
}
is_done() {
  [[ -z $(missing) && -x $BENCH_VENV/bin/python ]] && stamped bench-peers "$(digest "$BENCH_REQUIREMENTS")"
}
install() {
  local packages
  packages=$(missing)
  # shellcheck disable=SC2086
  [[ -z $packages ]] || need_packages "the benchmark's peers" $packages
  rm -rf "$BENCH_VENV"
  logged bench-venv python3 -m venv "$BENCH_VENV"
  logged bench-pip "$BENCH_VENV/bin/python" -m pip install --disable-pip-version-check --no-input -r "$BENCH_REQUIREMENTS"
  stamp bench-peers "$(digest "$BENCH_REQUIREMENTS")"
}
