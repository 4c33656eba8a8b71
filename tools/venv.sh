#!/bin/sh
# venv.sh PYTHON VENV [dev]: makes the virtual environment with Rootstream; with `dev` that of its development.
# Works offline once it is complete. What pip prints goes to a log.
set -eu
python=$1
venv=$2
extra=${3:-}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	echo "Python 3.11 or newer is needed, $python is $("$python" -V)" >&2
	exit 2
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
log=$venv/install.log
pip() { "$venv/bin/python" -m pip install "$@" >>"$log" 2>&1 || failed; }
failed() {
	tail -n 5 "$log" >&2
	echo "pip failed; all of it is in $log" >&2
	exit 2
}
: >"$log"
if [ -n "$extra" ]; then # each version as it was tested, by its hash
	pip --require-hashes --no-deps -r tools/requirements-dev.txt
	pip --no-deps --no-build-isolation --editable .
else
	pip --editable .
fi
touch "$venv/.usable"
[ -z "$extra" ] || touch "$venv/.installed"
