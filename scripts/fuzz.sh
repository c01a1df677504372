#!/usr/bin/env bash
# Runs the fuzz targets in `fuzz/`, all or those that are named, for FUZZ_SECONDS (60) each, from the seeds in `fuzz/seeds`
# and the vectors of the tests. Without nightly: no sanitizer, for the code has no `unsafe`; FUZZ_SANITIZER=address asks
# for one, and needs a nightly compiler. What is found lies in `fuzz/artifacts`, and ends this with an error.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/cargo-tool.sh
cargo_tool cargo-fuzz || exit 1

seconds=${FUZZ_SECONDS:-60}
sanitizer=${FUZZ_SANITIZER:-none}
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    mapfile -t targets < <(basename -s .rs fuzz/fuzz_targets/*.rs)
fi

# One seed a file, named by its content.
seed() {
    local target=$1 text=$2 name
    name=$(printf %s "$text" | sha256sum | cut -c1-16)
    mkdir -p "fuzz/corpus/$target"
    printf %s "$text" >"fuzz/corpus/$target/$name"
}

for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    if [[ -f fuzz/seeds/$target.txt ]]; then
        # A line is a seed; `\0` and other escapes of printf's %b stand for themselves.
        while IFS= read -r line; do
            name=$(printf %s "$line" | sha256sum | cut -c1-16)
            printf %b "$line" >"fuzz/corpus/$target/$name"
        done <"fuzz/seeds/$target.txt"
    fi
done
while IFS=$'\t' read -r _ _ hash; do
    seed password_hash "$hash"
done < <(grep -v '^#' tests/fixtures/password_hashes/vectors.tsv | grep .)
while IFS= read -r token; do
    seed access_token "$token"
done < <(grep -o '"token": "[^"]*"' tests/vectors/access_tokens.json | cut -d'"' -f4)

found=0
for target in "${targets[@]}"; do
    echo "== $target: $seconds s"
    dictionary=()
    if [[ -f fuzz/seeds/$target.dict ]]; then dictionary=("-dict=fuzz/seeds/$target.dict"); fi
    cargo fuzz run --sanitizer "$sanitizer" "$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=20 \
        -print_final_stats=1 "${dictionary[@]}" 2>&1 | grep -Ev '^(#|	?NEW_FUNC|\s+NEW_FUNC)' || found=1
done
if [[ $found -ne 0 ]]; then
    echo "a target failed: its input lies in fuzz/artifacts" >&2
    exit 1
fi
