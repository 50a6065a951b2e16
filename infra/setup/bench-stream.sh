#!/usr/bin/env bash
# Builds and runs the benchmark of the stream's work; arguments are the names of sections (throughput lag).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

export ECHOES_PYTHON=$CACHE/bench-venv/bin/python
export ECHOES_OPENSEARCH=$CACHE/opensearch/lib
# As a container ships it: what crosses crates is inlined.
exec cargo bench --profile container -p echoes-core --bench stream -- "$@"
