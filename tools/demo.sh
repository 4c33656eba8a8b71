#!/bin/sh
# Builds the example, boots it, shows its console and the passed checks.
set -eu
rootstream=$(realpath "$1")

cd examples/hello
"$rootstream" doctor --quiet
"$rootstream" build
"$rootstream" verify --verbose
