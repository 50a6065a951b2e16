# AWS's own DynamoDB Local, the second engine that the store's suite runs against. Its licence allows development and
# testing; it is fetched from Maven Central and never committed.
# shellcheck shell=bash

title()   { echo "DynamoDB Local"; }
is_done() { has_maven_jars dynamodb-local DynamoDBLocal; }
install() { maven_jars dynamodb-local; }
