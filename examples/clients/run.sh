#!/bin/sh
# Runs every example client whose tool is on this machine against a `signet dev` and the example API, each started for
# it on a free port, in a temporary folder. What is skipped is said. Fails if a client fails.
#
# SIGNET and PROTECTED_API name the two programs, if they are not to be built.
set -eu
cd "$(dirname "$0")/../.."
clients=$PWD/examples/clients

if [ -z "${SIGNET:-}" ] || [ -z "${PROTECTED_API:-}" ]; then
    cargo build --quiet --bin signet --example protected_api
    built=${CARGO_TARGET_DIR:-$PWD/target}/debug
    : "${SIGNET:=$built/signet}" "${PROTECTED_API:=$built/examples/protected_api}"
fi

folder=$(mktemp -d)
started=
stop() {
    for process in $started; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

serve_issuer() { exec env SIGNET_LISTEN="$address" SIGNET_ADMIN_LISTEN=off "$SIGNET" dev; }
serve_api() {
    exec "$PROTECTED_API" --issuer "$ISSUER" --audience "$audience" --ca "$CA_FILE" --listen "$address"
}

# start FUNCTION SIGN: runs a server on a free port, leaves its address in $address, and waits until its output has the
# sign. A server whose port is taken ends before, and is tried on another. The ports are below those that outgoing
# connections use.
start() {
    for attempt in 1 2 3 4 5; do
        address=127.0.0.1:$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
        "$1" >"$folder/$1.log" 2>&1 &
        process=$!
        waited=0
        while kill -0 "$process" 2>/dev/null && [ $waited -lt 300 ]; do
            if grep -qs "$2" "$folder/$1.log"; then
                started="$started $process"
                return
            fi
            waited=$((waited + 1))
            sleep 0.1
        done
        kill "$process" 2>/dev/null || true
    done
    echo "$1 has failed $attempt times:" >&2
    cat "$folder/$1.log" >&2
    exit 1
}

# A string member of the JSON that `signet --json` prints.
member() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p"; }

export SIGNET_DATA_DIR="$folder/signet-data"
start serve_issuer 'signet dev serves'
export ISSUER="https://$address" CA_FILE="$SIGNET_DATA_DIR/dev-ca.pem"

# Besides what `signet dev` made: an API, a client and a user of our own, by the command line, while the server runs.
audience=https://orders.example
export CLIENT_ID=erp-integration USERNAME=ada PASSWORD='violet & anchor + 42 % "rain"'
"$SIGNET" resource-server create "$audience" --scope read --scope write >/dev/null 2>&1
CLIENT_SECRET=$("$SIGNET" client create "$CLIENT_ID" --grant-type password --grant-type refresh_token \
    --audience "$audience" --json 2>/dev/null | member client_secret)
export CLIENT_SECRET
printf '%s\n' "$PASSWORD" | "$SIGNET" user create "$USERNAME" --password-stdin >/dev/null

start serve_api "$audience"
export API_URL="http://$address/orders"

passed=0 failed=0 skipped=0
report() {
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "$1: FAILED" >&2
    fi
}
skip() {
    skipped=$((skipped + 1))
    echo "$1: SKIPPED: $2" >&2
}

if command -v curl >/dev/null; then
    status=0
    "$clients/curl.sh" || status=$?
    report curl $status
else
    skip curl "there is no curl"
fi

if ! command -v python3 >/dev/null; then
    skip python "there is no python3"
elif ! python3 -m venv "$folder/python" >"$folder/install.log" 2>&1 ||
    ! "$folder/python/bin/pip" install --quiet --requirement "$clients/python/requirements.txt" \
        >>"$folder/install.log" 2>&1; then
    skip python "its packages cannot be installed: $(tail -n 1 "$folder/install.log")"
else
    status=0
    "$folder/python/bin/python" "$clients/python/client.py" || status=$?
    report python $status
fi

cp -R "$clients/javascript" "$folder/javascript"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip javascript "there is no node with npm"
elif ! npm install --prefix "$folder/javascript" --silent --no-audit --no-fund >"$folder/install.log" 2>&1; then
    skip javascript "its packages cannot be installed: $(tail -n 1 "$folder/install.log")"
else
    status=0
    NODE_EXTRA_CA_CERTS=$CA_FILE node "$folder/javascript/client.mjs" || status=$?
    report javascript $status
fi

echo "clients: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
