#!/bin/sh
# What the tests of clusters need: milvus-lite, a server that speaks Milvus's protocol, in a Python environment of its
# own, every package pinned by hash. A second run does nothing.
#
# usage: milvus.sh TOOLS_DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=${1:?usage: milvus.sh TOOLS_DIR}
say() { printf 'milvus: %s\n' "$*" >&2; }

wanted="$(cksum <"$here/milvus.txt") $(python3 -c 'import sys; print(sys.version_info[:2], sys.executable)')"
target="$tools/milvus-lite"
if [ "$(cat "$target/.installed" 2>/dev/null || true)" = "$wanted" ]; then
    say "ready: $target"
    exit 0
fi
python3 -c 'import venv, ensurepip' 2>/dev/null || { say "missing: venv. Run: sudo apt-get install -y python3-venv"; exit 1; }

say "installing milvus-lite"
mkdir -p "$tools"
rm -rf "$target"
python3 -m venv "$target"
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    -r "$here/milvus.txt" >&2
"$target/bin/milvus-lite" server --help >/dev/null
printf '%s' "$wanted" >"$target/.installed"
say "ready: $target"
