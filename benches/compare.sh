#!/usr/bin/env bash
# Our relay, Kamailio's msrp module, HAProxy and bare forwarders under the same load, in alternating runs: medians, ratios,
# targets. Cases whose name ends with -tls run over TLS.
# The server has core 0 for itself, the generator core 1; each run has a fresh server.
set -uo pipefail
source "$(dirname "$0")/servers.sh"

runs=5 seconds=3 warmup=1 only=ours,kamailio,yardstick,bare,haproxy
cases=small32,small1,rate,medium32,chunked,bulk,unbounded,bulk-tls,unbounded-tls,auth,reconnect

usage() {
  cat <<'EOF'
usage: benches/compare.sh [--runs N] [--seconds S] [--warmup S] [--only SERVER,...] [--case NAME,...]

cases:
  small32    200 octets, 50 pairs, 32 messages in flight of each   (server's processor time for a message)
  small1     200 octets, 50 pairs, 1 message in flight of each
  rate       200 octets, 50 pairs, 20,000 messages a second altogether   (99th percentile of latency)
  medium32   4096 octets, 50 pairs, 32 messages in flight of each
  chunked    1 MiB messages in chunks of 2048 octets, 50 pairs, 4 in flight   (octets for a second of processor time)
  bulk       1 MiB messages in chunks of 64 KiB, 50 pairs, 4 in flight
  unbounded  64 MiB in one chunk whose end is open, 4 pairs, 2 in flight
  bulk-tls, unbounded-tls, small32-tls   the same over TLS
  auth       AUTH handshakes, 50 clients, 500 on each connection   (handshakes for a second of processor time)
  reconnect  AUTH handshakes, 50 clients, 1 on each connection

servers:
  ours       msrp-relay
  kamailio   Kamailio with its msrp module
  yardstick  a forwarder that makes the socket calls of a relay and nothing else
  bare       a forwarder that lets the receiver's octets through instead of answering

After the table stands which targets were reached. RELAY_FLAGS in the environment: more flags for our relay.
EOF
}

while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --runs | --seconds | --warmup | --only | --case)
      (($# > 1)) || { usage >&2; exit 2; }
      case $1 in
        --runs) runs=$2 ;;
        --seconds) seconds=$2 ;;
        --warmup) warmup=$2 ;;
        --only) only=$2 ;;
        --case) cases=$2 ;;
      esac
      shift 2
      ;;
    *) usage >&2; exit 2 ;;
  esac
done
IFS=, read -ra servers <<<"$only"
IFS=, read -ra cases <<<"$cases"
for server in "${servers[@]}"; do
  [[ $server =~ ^(ours|kamailio|yardstick|bare|haproxy)$ ]] ||
    fail "--only $server: ours, kamailio, yardstick, bare or haproxy is wanted" 2
  if [[ $server =~ ^(kamailio|haproxy)$ ]]; then
    command -v "$server" >/dev/null || fail "--only $server: not installed (apt-get install $server)" 2
  fi
done

# Flags, the figure that matters and its unit, and the throughput.
describe() {
  pairs=50
  case ${1%-tls} in
    small32) flags='--size 200 --window 32' key=server_us_per_message unit='us/message' ;;
    small1) flags='--size 200 --window 1' key=server_us_per_message unit='us/message' ;;
    rate) flags='--size 200 --window 32 --rate 20000' key=server_us_per_message unit='us/message' ;;
    medium32) flags='--size 4096 --window 32' key=server_us_per_message unit='us/message' ;;
    chunked) flags='--size 1MiB --chunk 2048 --window 4' key=megabytes_per_cpu_second unit='MB/CPU-s' ;;
    bulk) flags='--size 1MiB --chunk 64KiB --window 4' key=megabytes_per_cpu_second unit='MB/CPU-s' ;;
    unbounded) flags='--size 64MiB --window 2' pairs=4 key=megabytes_per_cpu_second unit='MB/CPU-s' ;;
    auth) flags='--mode auth' key=per_cpu_second unit='/CPU-s' ;;
    reconnect) flags='--mode auth --per-connection 1' key=per_cpu_second unit='/CPU-s' ;;
    *) fail "--case $1: unknown" 2 ;;
  esac
  case $unit in
    us/message) rate=messages_per_second rate_unit='messages/s' ;;
    MB/CPU-s) rate=megabytes_per_second rate_unit='MB/s' ;;
    *) rate=per_second rate_unit='/s' ;;
  esac
}
for case in "${cases[@]}"; do describe "$case"; done

# Whether a server can be measured in a case. Forwarders know neither AUTH nor, with answers of their own, chunks.
runs_in() {
  case $1:$2 in
    bare:auth | bare:reconnect | bare:rate) false ;;
    ours:* | bare:* | haproxy:bulk | haproxy:unbounded | haproxy:chunked) true ;;
    *-tls | haproxy:* | *:bulk | *:unbounded) false ;;
    yardstick:*) [[ $2 =~ ^(small|rate|medium) ]] ;;
    *) true ;;
  esac
}

[[ $(nproc) -ge 2 ]] || fail 'two cores are needed, one for the server and one for the generator'
build

for case in "${cases[@]}"; do
  describe "$case"
  for ((run = 1; run <= runs; run++)); do
    for server in "${servers[@]}"; do
      runs_in "$server" "$case" || continue
      start "$server$([[ $case == *-tls ]] && echo -tls)" taskset -c 0
      # shellcheck disable=SC2086
      taskset -c 1 "$target/msrp-load" --relay "$server_uri" --server-pid "$server_pid" --pairs "$pairs" --json \
        --seconds "$seconds" --warmup "$warmup" $flags ${server_flags[@]+"${server_flags[@]}"} >"$scratch/json" ||
        fail "$server failed in $case"
      stop
      figure "$key" >>"$scratch/$case.$server"
      figure "$rate" >>"$scratch/$case.$server.rate"
      figure p50 >>"$scratch/$case.$server.p50"
      figure p99 >>"$scratch/$case.$server.p99"
    done
    printf '\r%-13s run %d of %d ' "$case" "$run" "$runs" >&2
  done
done
printf '\r%40s\r' '' >&2

printf 'Medians of %d runs of %s s, %s, %s\n\n' "$runs" "$seconds" "$(date +%F)" \
  "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
echo '| case | server | server cost | least .. most | throughput | latency p50, p99 (us) | to Kamailio | to yardstick | to bare | to HAProxy |'
echo '|---|---|---|---|---|---|---|---|---|---|'
# Three digits are more than the noise allows.
short() { awk -v v="$1" 'BEGIN { printf(v >= 100 ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v) }'; }
ratio() { [[ -n $1 && -n $2 ]] && awk "BEGIN { printf \"%.3f\", $1 / $2 }" || printf -- '-'; }
# The median of a figure (none is the cost) of a server in a case; nothing where that was not measured.
of() { [[ -f $scratch/$1.$2${3:+.$3} ]] && median <"$scratch/$1.$2${3:+.$3}"; }
for case in "${cases[@]}"; do
  describe "$case"
  for server in "${servers[@]}"; do
    [[ -f $scratch/$case.$server ]] || continue
    cost=$(of "$case" "$server") p50=$(of "$case" "$server" p50) p99=$(of "$case" "$server" p99)
    printf '| %s | %s | %s %s | %s .. %s | %.0f %s | %s | %s | %s | %s | %s |\n' "$case" "$server" "$(short "$cost")" "$unit" \
      "$(short "$(sort -g "$scratch/$case.$server" | head -1)")" \
      "$(short "$(sort -g "$scratch/$case.$server" | tail -1)")" \
      "$(of "$case" "$server" rate)" "$rate_unit" \
      "$([[ -n $p50 ]] && printf '%.0f, %.0f' "$p50" "$p99" || echo -)" \
      "$(ratio "$cost" "$(of "$case" kamailio)")" "$(ratio "$cost" "$(of "$case" yardstick)")" \
      "$(ratio "$cost" "$(of "$case" bare)")" "$(ratio "$cost" "$(of "$case" haproxy)")"
  done
done

# target CASE FIGURE OTHER BOUND: ours to OTHER is at most BOUND, or at least where that begins with `>`.
target() {
  local ours other bound=${4#>} is
  ours=$(of "$1" ours "$2") other=$(of "$1" "$3" "$2")
  [[ -n $ours && -n $other ]] || return 0
  if [[ $4 == '>'* ]]; then is='at least'; else is='at most'; fi
  awk -v a="$ours" -v b="$other" -v bound="$bound" -v is="$is" -v name="$1${2:+, $2}, ours to $3" 'BEGIN {
    r = a / b; ok = is == "at most" ? r <= bound : r >= bound
    printf "%-32s %.3f, %s %.3f: %s\n", name, r, is, bound, ok ? "reached" : "not reached" }'
}
echo
target small32 '' kamailio 0.0833
target small32 '' yardstick 1.5
target small1 '' yardstick 1.1
target rate p99 kamailio 1
target chunked '' kamailio '>5'
target bulk '' bare '>0.7'
target unbounded '' bare '>0.7'
target bulk '' haproxy '>0.7'
target unbounded '' haproxy '>0.7'
target bulk-tls '' bare '>0.8'
target unbounded-tls '' bare '>0.8'
target auth '' kamailio '>1'
handshakes=$(of auth ours)
if [[ -n $handshakes ]]; then
  awk -v a="$handshakes" 'BEGIN {
    printf "%-32s %.0f, at least %d: %s\n", "auth, a CPU second", a, 12000, (a >= 12000 ? "reached" : "not reached") }'
fi
