# Sourced: `cargo_tool NAME` makes sure that a program of cargo's is there, and installs it into CARGO_TOOLS (by default
# beside the other programs of cargo) where it is missing. Says what to do where that cannot be done.
if [[ -n ${CARGO_TOOLS:-} ]]; then
    export PATH="$CARGO_TOOLS/bin:$PATH"
fi

cargo_tool() {
    local name=$1
    if command -v "$name" >/dev/null; then return 0; fi
    echo "$name is not installed: installing it" >&2
    if cargo install --quiet --locked ${CARGO_TOOLS:+--root "$CARGO_TOOLS"} "$name"; then return 0; fi
    echo "$name cannot be installed: install it by hand ('cargo install --locked $name') and try again" >&2
    return 1
}
