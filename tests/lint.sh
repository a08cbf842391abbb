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

# The proto: its style, and that nothing a client may rely on changed. What was released stands in proto/released.binpb;
# after an addition: buf build proto --exclude-source-info -o proto/released.binpb
buf=$tools/buf-1.75.0/bin/buf
if ! [ -x "$buf" ]; then
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --root-user-action ignore \
        --target "$tools/buf-1.75.0" -r tests/buf.txt
fi
"$buf" lint proto
"$buf" breaking proto --against proto/released.binpb

cargo fmt --all --check
cargo clippy --release --locked --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --document-private-items
"$tools/bin/cargo-deny" --locked check --hide-inclusion-graph licenses bans sources
"$tools/bin/cargo-machete"
