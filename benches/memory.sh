#!/usr/bin/env bash
# What the relay's resident memory grows by: a huge message in one chunk, idle connections, a receiver that stops reading.
# Each case has a fresh relay. Exit status 1 where a bound is not kept.
set -uo pipefail
source "$(dirname "$0")/servers.sh"

idle=10000 size=1GiB seconds=3 cases=huge,idle,idle-tls,deaf,deaf-small only=ours

usage() {
  cat <<'EOF'
usage: benches/memory.sh [--case huge,idle,idle-tls,deaf,deaf-small] [--idle N] [--size OCTETS] [--seconds S] [--only ours|kamailio]

cases:
  huge   one message of --size (1GiB) in one chunk: less than 4 MiB
  idle   --idle (10000) authenticated connections that do nothing: less than 2 KiB each
  idle-tls   the same over TLS: less than 24 KiB each
  deaf   ten pairs, 4096 octets, one receiver stops reading while its sender goes on: less than 2.5 MiB, which is what
         ConnectionConfig documents (1.25 MiB to send, 320 KiB received) and what the allocator rounds up; the others
         keep at least half of their throughput
  deaf-small   the same with 200 octets: less than 6 MiB, since up to 3 MiB of records of messages come to it

Kamailio can only run the case idle.
EOF
}

while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --case | --idle | --size | --seconds | --only)
      (($# > 1)) || { usage >&2; exit 2; }
      case $1 in
        --case) cases=$2 ;;
        --idle) idle=$2 ;;
        --size) size=$2 ;;
        --seconds) seconds=$2 ;;
        --only) only=$2 ;;
      esac
      shift 2
      ;;
    *) usage >&2; exit 2 ;;
  esac
done
[[ $only =~ ^(ours|kamailio)$ ]] || fail "--only $only: ours or kamailio is wanted" 2

ulimit -n "$(ulimit -Hn)" 2>/dev/null
if [[ $(ulimit -n) != unlimited ]] && (($(ulimit -n) < idle + 100)); then
  fail "at most $(ulimit -n) files may be open, --idle $idle needs more: raise ulimit -Hn or take fewer" 2
fi
build

load() {
  "$target/msrp-load" --relay "$server_uri" --server-pid "$server_pid" --json --seconds "$seconds" "$@" \
    >"$scratch/json" || fail "$only failed: msrp-load $*"
}

kept=0
# What was measured, unit, bound.
verdict() {
  if awk "BEGIN { exit !($2 < $4) }"; then
    printf '%-10s %12.0f %s   (less than %s: yes)\n' "$1" "$2" "$3" "$4"
  else
    printf '%-10s %12.0f %s   (less than %s: NO)\n' "$1" "$2" "$3" "$4"
    kept=1
  fi
}

IFS=, read -ra cases <<<"$cases"
for case in "${cases[@]}"; do
  start "$only$([[ $case == *-tls ]] && echo -tls)"
  case $case in
    huge)
      load --mode huge --pairs 1 --size "$size"
      verdict huge "$(figure growth)" 'octets of growth' $((4 << 20))
      ;;
    idle-tls)
      load --mode idle --pairs "$idle"
      verdict idle-tls "$(figure per_connection)" 'octets a connection' $((24 << 10))
      ;;
    idle)
      load --mode idle --pairs "$idle"
      verdict idle "$(figure per_connection)" 'octets a connection' $((2 << 10))
      ;;
    deaf | deaf-small)
      if [[ $case == deaf ]]; then octets=4096 bound=$((5 << 19)); else octets=200 bound=$((6 << 20)); fi
      load --mode deaf --pairs 10 --size "$octets"
      verdict "$case" "$(figure growth)" 'octets of growth' "$bound"
      before=$(sed 's/.*"rate"/"rate"/; s/"rate_beside_deaf".*//' "$scratch/json" | sed -n 's/.*"messages_per_second":\([0-9.]*\).*/\1/p')
      beside=$(sed 's/.*"rate_beside_deaf"/"rate"/' "$scratch/json" | sed -n 's/.*"messages_per_second":\([0-9.]*\).*/\1/p')
      verdict others "$(awk "BEGIN { print $before / $beside * 100 }")" '% of the time for each message' 200
      ;;
    *) fail "--case $case: unknown" 2 ;;
  esac
  stop
done
exit "$kept"
