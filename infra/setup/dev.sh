#!/usr/bin/env bash
# Starts the whole stack from what is built already: the supervisor, which starts the embedded cloud, four cores and the
# Worker under wrangler. Arguments go to `echoes-local up`. `make dev` and the black-box tests both start it here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export PATH=$PWD/node_modules/.bin:$PATH  # wrangler wants Node 22
export CLOUDFLARE_CF_FETCH_ENABLED=false  # request.cf comes from the request or a constant, not from the network
export WRANGLER_SEND_METRICS=false

# --ip, because `localhost` also means ::1 and then workerd loops; --local, because nothing here has an account.
worker=(node_modules/.bin/wrangler dev --ip 127.0.0.1 --port 8787 --local --show-interactive-dev-session=false)

# The data centre's cache begins empty, as in a new one: what an earlier run left would outlive `--fresh`.
rm -rf .wrangler/state

exec target/release/echoes-local up "$@" -- "${worker[@]}"
