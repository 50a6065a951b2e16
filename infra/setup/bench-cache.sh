#!/usr/bin/env bash
# Builds and runs the benchmark of the caches; arguments are the names of sections (served shared stampede).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

export ECHOES_PYTHON=$CACHE/bench-venv/bin/python
# Debian keeps nginx where only root looks.
export PATH=$PATH:/usr/sbin
# As a container ships it: what crosses crates is inlined.
exec cargo bench --profile container -p echoes-core --bench cache -- "$@"
