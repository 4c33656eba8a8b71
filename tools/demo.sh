#!/bin/sh
# Builds the example, boots it, shows its console and the passed checks.
set -eu
rootstream=$(realpath "$1")

cd examples/hello
"$rootstream" doctor --quiet
"$rootstream" build hello
"$rootstream" verify hello
echo
echo "The console of the boot from the disk, up to the login of the checks:"
tr -d '\r' <out/hello/verify/console-disk.log | sed -e '/login: root/q' -e 's/^/    /'
echo
echo "Next: cd examples/hello, then $rootstream run"
