#!/bin/sh
# The house rules. Tools that are missing are installed, pinned, into $FRONTLOAD_TOOLS.
set -eu

tools=${FRONTLOAD_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/frontload/tools}
# need NAME VERSION
need() {
    if ! [ -x "$tools/bin/$1" ] || ! "$tools/bin/$1" --version | grep -qF "$2"; then
        cargo install --quiet --locked --root "$tools" "$1@$2"
    fi
}
need cargo-deny 0.20.2
need cargo-machete 0.9.2

cargo fmt --all --check
cargo clippy --release --locked --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --document-private-items
"$tools/bin/cargo-deny" --locked check --hide-inclusion-graph licenses bans sources
"$tools/bin/cargo-machete"
