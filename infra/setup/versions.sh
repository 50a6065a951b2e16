# The versions of every tool that the set-up installs and no lock file already pins. Sourced.
# (npm's are in package-lock.json, wasm-bindgen's in Cargo.lock, DynamoDB Local's and OpenSearch's in the pom.xml
# of their folders, Python's in python/.)
# shellcheck shell=bash disable=SC2034

RUSTC_MINIMUM=1.94.1        # what the AWS SDK crates need
NODE_MINIMUM=20             # runs npm and the installers; the Worker runs on node_modules' own 22
JAVA_MINIMUM=17             # DynamoDB Local 2.x, OpenSearch 2.19
PYTHON_MINIMUM=3.9          # botocore
WORKER_BUILD_VERSION=0.8.7  # goes with the `worker` crate of the same series
CARGO_DENY_VERSION=0.20.2
MAVEN_DEPENDENCY_PLUGIN_VERSION=3.8.1  # fetches DynamoDB Local and OpenSearch; any Maven from 3.6.3 on runs it
