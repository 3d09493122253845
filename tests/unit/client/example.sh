#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The C example and the load tool's run against the null sink: every row is acknowledged.
# usage: example.sh EXAMPLE LOADGEN
set -eu
dir=$(mktemp -d)
sink=
trap '[ -z "$sink" ] || kill "$sink" 2>/dev/null; rm -rf "$dir"' EXIT
"$2" sink --plain --port-file "$dir/port" >"$dir/sink.out" &
sink=$!
n=0
while [ ! -s "$dir/port" ]; do
    n=$((n + 1))
    [ $n -lt 200 ] || { echo "the sink did not start"; exit 1; }
    sleep 0.05
done
port=$(cat "$dir/port")

seq 1 5000 | sed 's/.*/{"n":&}/' | "$1" "127.0.0.1:$port" - - a.b.c >"$dir/example.out"
grep -qx '5000 rows are durable' "$dir/example.out"

for extra in "" "--record json" "--batch 7" "--rows farm --rate 5000" \
    "--streams 3 --connections 2"; do
    # shellcheck disable=SC2086
    "$2" run --endpoint "127.0.0.1:$port" --plain --count 5001 $extra \
        --json "$dir/run.json" --ledger "$dir/ledger" >"$dir/run.out"
    grep -q '"rows_acked":5001,' "$dir/run.json"
    [ "$(grep -c '^R' "$dir/ledger")" = 5001 ]
    grep -q '^A' "$dir/ledger"
done
"$2" latency --endpoint "127.0.0.1:$port" --plain --count 100 >"$dir/latency.out"
"$2" lookup --echo --endpoint "127.0.0.1:$port" --plain --seconds 1 --rate 500 >"$dir/lookup.out"
if "$2" lookup --endpoint "127.0.0.1:$port" --plain --seconds 1 >"$dir/lookup.out"; then
    echo "lookups that the sink does not know passed for right"
    exit 1
fi
echo "ok"
