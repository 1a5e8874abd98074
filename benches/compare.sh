#!/usr/bin/env bash
# Our relay, Kamailio's msrp module and the bare forwarder under the same load, in alternating runs: medians and ratios.
# The server has core 0 for itself, the generator core 1; each run has a fresh server.
set -uo pipefail
source "$(dirname "$0")/servers.sh"

runs=5 seconds=3 warmup=1 only=ours,kamailio,bare cases=small32,small1,medium32,chunked,auth,reconnect

usage() {
  cat <<'EOF'
usage: benches/compare.sh [--runs N] [--seconds S] [--warmup S] [--only ours,kamailio,bare] [--case NAME,...]

cases:
  small32    200 octets, 50 pairs, 32 messages in flight of each   (server's processor time for a message)
  small1     200 octets, 50 pairs, 1 message in flight of each
  medium32   4096 octets, 50 pairs, 32 messages in flight of each
  chunked    1 MiB messages in chunks of 2048 octets, 50 pairs, 4 in flight   (octets for a second of processor time)
  auth       AUTH handshakes, 50 clients, 500 on each connection   (handshakes for a second of processor time)
  reconnect  AUTH handshakes, 50 clients, 1 on each connection

RELAY_FLAGS in the environment: more flags for our relay.
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
  [[ $server =~ ^(ours|kamailio|bare)$ ]] || fail "--only $server: ours, kamailio or bare is wanted" 2
  if [[ $server == kamailio ]]; then
    command -v kamailio >/dev/null || fail '--only kamailio: not installed (apt-get install kamailio)' 2
  fi
done

# Flags, the figure that matters and its unit, and the throughput.
describe() {
  case $1 in
    small32) flags='--size 200 --window 32' key=server_us_per_message unit='us/message' ;;
    small1) flags='--size 200 --window 1' key=server_us_per_message unit='us/message' ;;
    medium32) flags='--size 4096 --window 32' key=server_us_per_message unit='us/message' ;;
    chunked) flags='--size 1MiB --chunk 2048 --window 4' key=megabytes_per_cpu_second unit='MB/CPU-s' ;;
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

[[ $(nproc) -ge 2 ]] || fail 'two cores are needed, one for the server and one for the generator'
build

for case in "${cases[@]}"; do
  describe "$case"
  for ((run = 1; run <= runs; run++)); do
    for server in "${servers[@]}"; do
      [[ $unit == /CPU-s && $server == bare ]] && continue
      start "$server" taskset -c 0
      # shellcheck disable=SC2086
      taskset -c 1 "$target/msrp-load" --relay "$server_uri" --server-pid "$server_pid" --pairs 50 --json \
        --seconds "$seconds" --warmup "$warmup" $flags ${server_flags[@]+"${server_flags[@]}"} >"$scratch/json" ||
        fail "$server failed in $case"
      stop
      figure "$key" >>"$scratch/$case.$server"
      figure "$rate" >>"$scratch/$case.$server.rate"
      figure p50 >>"$scratch/$case.$server.p50"
      figure p99 >>"$scratch/$case.$server.p99"
    done
    printf '\r%-10s run %d of %d ' "$case" "$run" "$runs" >&2
  done
done
printf '\r%40s\r' '' >&2

printf 'Medians of %d runs of %s s, %s, %s\n\n' "$runs" "$seconds" "$(date +%F)" \
  "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
echo '| case | server | server cost | least .. most | throughput | latency p50, p99 (us) | to Kamailio | to bare |'
echo '|---|---|---|---|---|---|---|---|'
# Three digits are more than the noise allows.
short() { awk -v v="$1" 'BEGIN { printf(v >= 100 ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v) }'; }
ratio() { [[ -n $1 && -n $2 ]] && awk "BEGIN { printf \"%.3f\", $1 / $2 }" || printf -- '-'; }
for case in "${cases[@]}"; do
  describe "$case"
  for server in kamailio bare; do
    printf -v "${server}_median" '%s' "$([[ -f $scratch/$case.$server ]] && median <"$scratch/$case.$server")"
  done
  for server in "${servers[@]}"; do
    [[ -f $scratch/$case.$server ]] || continue
    cost=$(median <"$scratch/$case.$server")
    p50=$(median <"$scratch/$case.$server.p50") p99=$(median <"$scratch/$case.$server.p99")
    printf '| %s | %s | %s %s | %s .. %s | %.0f %s | %s | %s | %s |\n' "$case" "$server" "$(short "$cost")" "$unit" \
      "$(short "$(sort -g "$scratch/$case.$server" | head -1)")" \
      "$(short "$(sort -g "$scratch/$case.$server" | tail -1)")" \
      "$(median <"$scratch/$case.$server.rate")" "$rate_unit" \
      "$([[ -n $p50 ]] && printf '%.0f, %.0f' "$p50" "$p99" || echo -)" \
      "$(ratio "$cost" "$kamailio_median")" "$(ratio "$cost" "$bare_median")"
  done
done
