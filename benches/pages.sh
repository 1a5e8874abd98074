#!/usr/bin/env bash
# MESSAGEs through msrp-gateway into sessions: a rate that has to be kept without loss, doubles or disorder, and what a
# MESSAGE costs the gateway on one core. Arguments go to page-load, such as --rate 4000 --seconds 5. Needs two cores. Exit
# status 1 where something was lost.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet -p msrp-examples -p msrp-benches --bin msrp-gateway --bin page-load
folder=$(mktemp -d)
taskset -c 0 target/release/msrp-gateway --sip tcp://127.0.0.1:0 --msrp msrp://127.0.0.1:0 --trust-from \
    --route 'bob@*=sip:127.0.0.1:25070;transport=tcp' --rate 100000 > "$folder/gateway" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
until grep -q tcp: "$folder/gateway"; do sleep 0.05; done
address=$(sed -n 's,^listening on tcp://,,p' "$folder/gateway")
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
before=$(ticks)
status=0
taskset -c 1 target/release/page-load --gateway "sip:$address;transport=tcp" --chat tcp://127.0.0.1:25070 "$@" \
    | tee "$folder/load" || status=1
after=$(ticks)
sent=$(sed 's/.*"sent": \([0-9]*\).*/\1/' "$folder/load")
awk -v t="$((after - before))" -v hz="$(getconf CLK_TCK)" -v n="$sent" \
    'BEGIN { printf "gateway: %.1f us of processor time for each MESSAGE\n", t / hz / n * 1e6 }'
exit "$status"
