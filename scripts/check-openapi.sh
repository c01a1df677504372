#!/bin/sh
# Tries the administration API against its OpenAPI document with schemathesis: no answer may be a failure of the server, none may
# have a status, type or form that the document does not have. Uses the program that was built last; needs python3.
set -eu
cd "$(dirname "$0")/.."

if ! command -v python3 >/dev/null; then
    echo "openapi: SKIPPED: there is no python3" >&2
    exit 0
fi
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

if command -v schemathesis >/dev/null; then
    schemathesis=schemathesis
elif python3 -m venv "$folder/python" >"$folder/log" 2>&1 &&
    "$folder/python/bin/pip" install --quiet 'schemathesis==4.32.5' >>"$folder/log" 2>&1; then
    schemathesis=$folder/python/bin/schemathesis
else
    echo "openapi: SKIPPED: schemathesis cannot be installed" >&2
    exit 0
fi
signet=${CARGO_TARGET_DIR:-target}/debug/signet
document=$folder/openapi.json
"$signet" admin openapi >"$document"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# A new issuer with its demo, and a token for everything.
start() {
    port=$(free_port) admin_port=$(free_port)
    env SIGNET_DATA_DIR="$folder/$1" SIGNET_LISTEN="127.0.0.1:$port" SIGNET_ADMIN_LISTEN="127.0.0.1:$admin_port" \
        SIGNET_ISSUER="http://127.0.0.1:$port" SIGNET_TLS=off SIGNET_LOG=warn "$signet" dev >"$folder/$1.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        if grep -q Administration "$folder/$1.log"; then break; fi
        sleep 0.1
    done
    secret=$(sed -n 's/^client_secret = "\(.*\)"$/\1/p' "$folder/$1/dev-admin.toml")
    token=$(python3 - "$port" "$secret" <<'PYTHON'
import base64, json, sys, urllib.request
port, secret = sys.argv[1:]
request = urllib.request.Request(f"http://127.0.0.1:{port}/oauth2/token", b"grant_type=client_credentials")
request.add_header("Authorization", "Basic " + base64.b64encode(f"signet-admin:{secret}".encode()).decode())
print(json.load(urllib.request.urlopen(request))["access_token"])
PYTHON
)
}

stop() {
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks=$checks,response_schema_conformance,unsupported_method,ignored_auth

try() {
    "$schemathesis" run "$document" --url "http://127.0.0.1:$admin_port" --header "Authorization: Bearer $token" \
        --checks "$checks" --phases examples,coverage,fuzzing --seed 1 --warnings off --no-color "$@" >"$folder/run.log" 2>&1 || {
        cat "$folder/run.log"
        echo "openapi: FAILED" >&2
        exit 1
    }
    sed -n 's/^ *\([0-9]* generated\)/  \1/p' "$folder/run.log"
}

# These can take the token, its client or its API away, so that nothing after them would be tried: each has an issuer of its own.
alone="DisableClient DeleteClient UpdateClient DisableResourceServer DeleteResourceServer UpdateResourceServer RevokeIssued
    RevokeToken RevokeGrants RevokeSigningKey RotateSigningKeys ImportSigningKey UpdateSettings"

start together
set --
for operation in $alone; do set -- "$@" --exclude-operation-id "$operation"; done
echo "openapi: all that leave the administrator in place"
try --include-path-regex '^/admin/v1' --max-examples "${EXAMPLES:-30}" "$@"
stop
for operation in $alone; do
    start "$operation"
    echo "openapi: $operation"
    try --include-operation-id "$operation" --max-examples "${EXAMPLES:-15}"
    stop
done
echo "openapi: the API is as its document says"
