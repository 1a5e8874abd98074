#!/usr/bin/env bash
# All targets of speed and memory in one call of some eight minutes, after the build: what compare.sh and memory.sh find in
# fresh runs, and which were reached. Exit status 1 if one was not, or could not be measured.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  echo 'usage: benches/targets.sh [--runs N] [--seconds S] [--idle N]    (3 runs of 2 s, 19000 idle connections)'
}

runs=3 seconds=2 idle=19000
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --runs | --seconds | --idle)
      (($# > 1)) || { usage >&2; exit 2; }
      declare "${1#--}=$2"
      shift 2
      ;;
    *) usage >&2; exit 2 ;;
  esac
done

out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0
# Each case with the servers that its targets speak of.
compare() {
  "$here/compare.sh" --runs "$runs" --seconds "$seconds" --only "$1" --case "$2" | tee -a "$out"
  ((PIPESTATUS[0] == 0)) || failed=1
  echo
}
compare ours,kamailio,yardstick small32,small1
compare ours,kamailio rate,auth
compare ours,bare,haproxy bulk,unbounded
compare ours,bare bulk-tls,unbounded-tls
"$here/memory.sh" --case idle,idle-tls --idle "$idle" | tee -a "$out"
((PIPESTATUS[0] < 2)) || failed=1

printf '\nAll targets:\n'
grep -E ': (reached|not reached)$|less than .*: (yes|NO)\)$' "$out"
if ((failed)) || grep -qE ': not reached$|: NO\)$' "$out"; then
  echo 'not all were reached'
  exit 1
fi
echo 'all were reached'
