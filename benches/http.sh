#!/usr/bin/env bash
# doorbuster's HTTP beside nginx answering a constant 200 to the same requests, in turn, with wrk:
# 64 connections, one thread each side. Every POST is a new hold under a new key, synced to disk.
# Needs wrk and nginx (apt-get install wrk nginx-light) and a release build.
#
#   benches/http.sh [ROUNDS] [SECONDS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-3} seconds=${2:-5}
folder=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap finish EXIT

cat >"$folder/drop.toml" <<'SALE'
name = "drop"
hold_ms = 600000
[[items]]
sku = "tee"
stock = 1000000000
price = 2500
SALE
cat >"$folder/nginx.conf" <<NGINX
daemon off;
pid $folder/nginx.pid;
error_log $folder/nginx.log;
worker_processes 1;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    server {
        listen 127.0.0.1:7481;
        location / { default_type application/json; return 200 '{"order":"42"}'; }
    }
}
NGINX
# The number in front keeps the keys of different runs apart.
cat >"$folder/post.lua" <<'LUA'
local run, count = os.getenv("RUN"), 0
local headers = { ["Content-Type"] = "application/json" }
request = function()
    count = count + 1
    headers["Idempotency-Key"] = run .. "-" .. count
    local body = '{"item":"tee","units":1,"buyer":"' .. count .. '"}'
    return wrk.format("POST", "/v1/sales/drop/orders", headers, body)
end
LUA

nginx -c "$folder/nginx.conf" -p "$folder" 2>/dev/null &
pids+=($!)
target/release/doorbuster serve --data "$folder/data" --listen 127.0.0.1:7480 \
    --sale "$folder/drop.toml" --orders-max 20000000 ${SERVE_FLAGS:-} 2>"$folder/talk" &
pids+=($!)
until grep -q "listening on" "$folder/talk"; do sleep 0.1; done

# one NAME PORT WRK-ARGUMENTS...: prints requests a second.
one() {
    local name=$1 port=$2 result
    shift 2
    result=$(wrk -t1 -c64 -d"${seconds}s" --latency "$@" "http://127.0.0.1:$port/v1/sales/drop${path:-}")
    printf '%-18s %12s /s   p99 %s\n' "$name" \
        "$(awk '/Requests\/sec/ {print $2}' <<<"$result")" "$(awk '/99%/ {print $2}' <<<"$result")"
    grep -E "Non-2xx|refused|Socket errors" <<<"$result" || true
}

for round in $(seq "$rounds"); do
    export RUN=$round
    path=/orders one "nginx POST" 7481 -s "$folder/post.lua"
    path=/orders one "doorbuster POST" 7480 -s "$folder/post.lua"
    one "nginx GET" 7481
    one "doorbuster GET" 7480
done
