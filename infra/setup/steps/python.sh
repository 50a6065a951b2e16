# A Python of the project's own with botocore, AWS's signer, against which the SigV4 code is tested.
# shellcheck shell=bash

title() { echo "Python with botocore"; }

REQUIREMENTS=$SETUP/python/requirements.txt
VENV=$CACHE/venv

is_done() { [[ -x $VENV/bin/python ]] && stamped python "$(digest "$REQUIREMENTS")"; }

install() {
  rm -rf "$VENV"
  # Debian keeps venv's half, ensurepip, in a package of its own.
  python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages "$(title)" python3-venv
  logged venv python3 -m venv "$VENV"
  logged pip "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input -r "$REQUIREMENTS"
  "$VENV/bin/python" -c 'import botocore.auth' || fail "botocore was installed but cannot be imported"
  stamp python "$(digest "$REQUIREMENTS")"
}
