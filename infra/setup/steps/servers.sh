# Redis and Memcached, which `make dev ARGS=--full` and the tests start themselves on ports of their own.
# shellcheck shell=bash

title() { echo "redis-server, memcached"; }

missing() {
  local program
  for program in redis-server memcached; do
    command -v "$program" >/dev/null || echo "$program"
  done
}
is_done() { [[ -z $(missing) ]]; }
install() {
  # shellcheck disable=SC2046
  need_packages "real cache servers (--full, and the tests)" $(missing)
}
