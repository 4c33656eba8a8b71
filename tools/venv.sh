#!/bin/sh
# venv.sh PYTHON VENV [EXTRA]: makes the virtual environment with Rootstream, for its development with EXTRA `dev`.
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
"$venv/bin/python" -m pip install --editable ".${extra:+[$extra]}" >"$log" 2>&1 || {
	tail -n 5 "$log" >&2
	echo "pip failed; all of it is in $log" >&2
	exit 2
}
touch "$venv/.usable"
[ -z "$extra" ] || touch "$venv/.installed"
