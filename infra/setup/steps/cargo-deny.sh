# cargo-deny checks licences, sources and duplicates against deny.toml.
# shellcheck shell=bash

title()   { echo "cargo-deny $CARGO_DENY_VERSION"; }
is_done() { tool_is cargo-deny "$CARGO_DENY_VERSION"; }
install() { cargo_tool cargo-deny "$CARGO_DENY_VERSION" cargo-deny --locked; }
