#!/usr/bin/env bash
# Builds and runs the benchmark of the store; arguments are passed on: --large, or the names of sections (writes cpu sizes).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

export ECHOES_PYTHON=$CACHE/venv/bin/python
exec cargo bench -p echoes-core --bench store -- "$@"
