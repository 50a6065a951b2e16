# AWS's own DynamoDB Local, the second engine that the store's suite runs against. Its licence allows development and
# testing; it is fetched from Maven Central and never committed.
# shellcheck shell=bash

title() { echo "DynamoDB Local"; }

POM=$SETUP/dynamodb-local/pom.xml
LIB=$CACHE/dynamodb-local/lib

is_done() { compgen -G "$LIB/DynamoDBLocal-*.jar" >/dev/null && stamped dynamodb-local "$(digest "$POM")"; }

install() {
  rm -rf "$LIB"
  mkdir -p "$LIB"
  # The plugin by its full name: without a version, each Maven takes one of its own.
  logged dynamodb-local mvn -B -f "$POM" \
    "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN_VERSION:copy-dependencies" "-DoutputDirectory=$LIB"
  stamp dynamodb-local "$(digest "$POM")"
}
