#!/bin/sh
# Checks the alert rules in docs/operations with promtool, runs their unit tests, and has promtool judge what /metrics of a
# server answers, if the program is built. Without promtool (Debian's package prometheus) all of that is skipped, and said.
set -eu
cd "$(dirname "$0")/.."

if ! command -v promtool >/dev/null; then
    echo "check-alerts: SKIPPED, nothing was checked: there is no promtool (Debian's package prometheus has it)" >&2
    exit 0
fi

promtool check rules docs/operations/alerts.yml
promtool test rules docs/operations/alerts.test.yml

program=${CARGO_TARGET_DIR:-target}/debug/signet
if ! [ -x "$program" ] || ! command -v curl >/dev/null; then
    echo "check-alerts: SKIPPED, /metrics was not checked: it needs $program (cargo build) and curl" >&2
    exit 0
fi

folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
export SIGNET_DATA_DIR="$folder/data" SIGNET_TLS=off SIGNET_ISSUER=http://127.0.0.1:8443
export SIGNET_LISTEN=127.0.0.1:0 SIGNET_ADMIN_LISTEN=127.0.0.1:0 SIGNET_LOG=info SIGNET_LOG_FORMAT=json

# The issuer's first administrator, whose client asks for /metrics.
secret=$("$program" admin bootstrap --json | sed -n 's/.*"client_secret": *"\([^"]*\)".*/\1/p')
"$program" serve >"$folder/log" 2>&1 &
server=$!
addresses=
waited=0
while [ -z "$addresses" ]; do
    waited=$((waited + 1))
    if [ "$waited" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
        cat "$folder/log" >&2
        echo "check-alerts: the server does not start" >&2
        exit 1
    fi
    sleep 0.1
    addresses=$(sed -n 's/.*"address":"\([^"]*\)".*"administration":"\([^"]*\)".*/\1 \2/p' "$folder/log" | head -n 1)
done
issuer=${addresses% *} administration=${addresses#* }
token=$(curl -sf --noproxy '*' -u "signet-admin:$secret" -d grant_type=client_credentials "http://$issuer/oauth2/token" |
    sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
curl -sf --noproxy '*' -H "Authorization: Bearer $token" "http://$administration/metrics" >"$folder/metrics"
promtool check metrics <"$folder/metrics"
echo "check-alerts: promtool accepts the rules, their tests and $(grep -c '^# TYPE' "$folder/metrics") metrics"
