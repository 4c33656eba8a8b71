#!/bin/sh
# For any other runner: builds and verifies the project in the current folder, results are in out/.
#
#   CACHE_URL, CACHE_TOKEN    the shared cache, if there is one; the token is kept in no variable of the build
#   CACHE_PUSH                true where what is built may be pushed, by default false
set -eu

if [ -n "${CACHE_URL:-}" ] && [ -n "${CACHE_TOKEN:-}" ]; then
	token=$(mktemp)
	trap 'rm -f "$token"' EXIT
	printf '%s' "$CACHE_TOKEN" >"$token"
	export ROOTSTREAM_CACHE_URL="$CACHE_URL" ROOTSTREAM_CACHE_TOKEN_FILE="$token"
	export ROOTSTREAM_CACHE_PUSH="${CACHE_PUSH:-false}"
fi
unset CACHE_TOKEN

rootstream doctor --quiet
rootstream build --plain --locked
rootstream verify --plain --locked
