# worker-build turns the compiled edge into the module that the Workers runtime loads.
# shellcheck shell=bash

title()   { echo "worker-build $WORKER_BUILD_VERSION"; }
is_done() { tool_is worker-build "$WORKER_BUILD_VERSION"; }
install() { OPTIMISE=0 cargo_tool worker-build "$WORKER_BUILD_VERSION" worker-build --locked; }
