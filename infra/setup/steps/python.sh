# A Python of the project's own: botocore, against whose signer the SigV4 code is tested, and boto3, which the store is raced against.
# shellcheck shell=bash

title() { echo "Python with boto3"; }

REQUIREMENTS=$SETUP/python/requirements.txt
VENV=$CACHE/venv

is_done() { [[ -x $VENV/bin/python ]] && stamped python "$(digest "$REQUIREMENTS")"; }

install() {
  python_environment python "$VENV" "$REQUIREMENTS"
  "$VENV/bin/python" -c "import boto3, botocore.auth" || fail "boto3 was installed but cannot be imported"
  stamp python "$(digest "$REQUIREMENTS")"
}
