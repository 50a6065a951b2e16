# What the caches and the stream are raced against: nginx and FastAPI under a load by wrk, a poller in Python.
# shellcheck shell=bash

title() { echo "nginx, wrk, FastAPI, clients of OpenSearch and DynamoDB"; }

BENCH_REQUIREMENTS=$SETUP/python/bench-requirements.txt
BENCH_VENV=$CACHE/bench-venv
# The file takes in the other.
wanted() { digest "$BENCH_REQUIREMENTS" "$SETUP/python/requirements.txt"; }

missing() {
  command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]] || echo nginx-light
  command -v wrk >/dev/null || echo wrk
}
is_done() {
  [[ -z $(missing) && -x $BENCH_VENV/bin/python ]] && stamped bench-peers "$(wanted)"
}
install() {
  local packages
  packages=$(missing)
  # shellcheck disable=SC2086
  [[ -z $packages ]] || need_packages "the benchmark's peers" $packages
  python_environment bench "$BENCH_VENV" "$BENCH_REQUIREMENTS"
  stamp bench-peers "$(wanted)"
}
