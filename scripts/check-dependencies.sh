#!/bin/sh
# Checks licences, banned crates and sources of the dependencies (deny.toml), and known vulnerabilities where the
# database of them can be fetched. Skipped, with a word, where cargo-deny is not installed.
set -eu

if ! cargo deny --version >/dev/null 2>&1; then
    echo "cargo-deny is not installed: dependencies are not checked ('cargo install --locked cargo-deny')" >&2
    exit 0
fi
cargo deny --workspace check --hide-inclusion-graph bans licenses sources
if cargo deny fetch db; then
    cargo deny --workspace check --hide-inclusion-graph --disable-fetch advisories
else
    echo "the database of advisories cannot be fetched: known vulnerabilities are not checked" >&2
fi
