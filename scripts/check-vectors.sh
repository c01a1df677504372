#!/bin/sh
# Has tests/vectors/ judged by verifiers in other languages, each with a JOSE library of its own that is installed into
# a temporary folder where it is missing. What is skipped is said. Fails if one disagrees, or if none could be run.
set -eu
cd "$(dirname "$0")/../tests/vectors"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

passed=0 failed=0 skipped=0
# run NAME COMMAND…: 77 means that what it needs is missing.
run() {
    name=$1
    shift
    status=0
    "$@" || status=$?
    case $status in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *)
        failed=$((failed + 1))
        echo "$name: FAILED" >&2
        ;;
    esac
}

python=python3
if ! command -v python3 >/dev/null; then
    echo "check_joserfc: SKIPPED: there is no python3" >&2
    skipped=$((skipped + 1))
else
    if ! python3 -c 'import joserfc' 2>/dev/null && python3 -m venv "$folder/python" >"$folder/log" 2>&1 &&
        "$folder/python/bin/pip" install --quiet --requirement requirements.txt >>"$folder/log" 2>&1; then
        python=$folder/python/bin/python
    fi
    run check_joserfc "$python" check_joserfc.py
fi

if ! command -v node >/dev/null; then
    echo "check_jose: SKIPPED: there is no node" >&2
    skipped=$((skipped + 1))
else
    # node looks for packages beside the script.
    mkdir "$folder/javascript"
    cp check_jose.mjs access_tokens.json package.json "$folder/javascript"
    if command -v npm >/dev/null; then
        npm install --prefix "$folder/javascript" --silent --no-audit --no-fund >"$folder/log" 2>&1 || true
    fi
    run check_jose node "$folder/javascript/check_jose.mjs"
fi

echo "vectors: $passed verifiers agree, $failed do not, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
