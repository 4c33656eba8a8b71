#!/bin/sh
# Makes the virtual environment with Rootstream and its development tools; works offline once it is complete.
set -eu
python=$1
venv=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	echo "Python 3.11 or newer is needed, $python is $("$python" -V)" >&2
	exit 2
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --editable '.[dev]'
touch "$venv/.installed"
