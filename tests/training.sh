#!/bin/sh
# Installs what the test of exported training rows reads them with: Hugging Face `datasets`, pinned by hash, without torch,
# in a folder of its own. A second run does nothing.
#
# usage: training.sh TOOLS_DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=${1:?usage: training.sh TOOLS_DIR}
target="$tools/training"
wanted="$(cksum <"$here/training.txt") $(python3 -c 'import sys; print(sys.version_info[:2])')"
if [ "$(cat "$target/.installed" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
printf 'training: installing datasets (about 300 MB)\n' >&2
mkdir -p "$tools"
rm -rf "$target"
python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --root-user-action ignore --target "$target" -r "$here/training.txt" >&2
printf '%s' "$wanted" >"$target/.installed"
