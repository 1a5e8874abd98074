# Starting and stopping the servers that compare.sh and memory.sh measure. Sourced, not run.
#
# start NAME [COMMAND...] starts ours, kamailio, haproxy, yardstick or bare (ours-tls, bare-tls: over TLS) by COMMAND (such
# as `taskset -c 0`) and sets server_pid, server_uri and server_flags; stop ends it.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}/release
scratch=$(mktemp -d)
server_pid=''

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  exit "${2:-1}"
}

build() {
  (cd "$here/.." && cargo build --release --quiet --bin msrp-relay --bin msrp-load --bin bare-forwarder) ||
    fail 'the build failed'
}

stop() {
  [[ -n $server_pid ]] || return 0
  kill "$server_pid" 2>/dev/null
  wait "$server_pid" 2>/dev/null
  server_pid=''
}
trap 'stop; rm -rf "$scratch"' EXIT

# The address in the line by which our programs say that they are ready.
ready_address() {
  local address
  for _ in {1..100}; do
    address=$(sed -n 's/^listening on \(msrps\?:\/\/\)\?//p' "$scratch/out")
    if [[ -n $address ]]; then
      echo "$address"
      return
    fi
    sleep 0.05
  done
}

start() {
  local name=$1 address='' scheme=msrp
  shift
  [[ $name == *-tls ]] && scheme=msrps
  server_flags=()
  : >"$scratch/out"
  case $name in
    ours | ours-tls)
      RUST_LOG=off "$@" "$target/msrp-relay" --listen "$scheme://127.0.0.1:0" --user load:secret --allow-plain-auth --workers 1 \
        ${RELAY_FLAGS:-} >"$scratch/out" 2>"$scratch/err" &
      server_pid=$!
      address=$(ready_address)
      ;;
    bare | bare-tls | yardstick)
      local flags=()
      [[ $name == yardstick ]] && flags=(--answer)
      [[ $name == bare-tls ]] && flags=(--tls)
      "$@" "$target/bare-forwarder" --listen 127.0.0.1:0 ${flags[@]+"${flags[@]}"} >"$scratch/out" 2>"$scratch/err" &
      server_pid=$!
      address=$(ready_address)
      server_flags=(--mode "${name%-tls}")
      ;;
    haproxy)
      # The generator listens at the second port once it runs; HAProxy connects to it for each client.
      local port=$((20000 + RANDOM % 5000)) behind=$((25000 + RANDOM % 5000))
      HAPROXY_LISTEN=127.0.0.1:$port HAPROXY_SERVER=127.0.0.1:$behind "$@" haproxy -db -f "$here/haproxy.cfg" \
        >"$scratch/out" 2>"$scratch/err" &
      server_pid=$!
      sleep 1
      address=127.0.0.1:$port
      server_flags=(--mode bare --accept "127.0.0.1:$behind")
      ;;
    kamailio)
      # Below the ports that clients are given.
      local port=$((20000 + RANDOM % 10000))
      "$@" kamailio -DD -E -f "$here/kamailio/relay.cfg" -l "tcp:127.0.0.1:$port" -m 512 -M 64 \
        -P "$scratch/pid" >"$scratch/out" 2>"$scratch/err" &
      server_pid=$!
      for _ in {1..100}; do
        if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
          address=127.0.0.1:$port
          # It listens before its workers are there.
          sleep 1
          break
        fi
        sleep 0.1
      done
      ;;
  esac
  [[ -n $address ]] && kill -0 "$server_pid" 2>/dev/null || fail "$name did not start: $(tail -3 "$scratch/err")"
  server_uri=$scheme://$address
}

# The number behind a name in the last result.
figure() { sed -n "s/.*\"$1\":\(-\?[0-9.e+-]*\).*/\1/p" "$scratch/json"; }

# The median of the numbers on standard input; nothing where there are none.
median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
