#!/bin/sh
# What only the tests need: ir_measures, the public tool our measures are compared with. Pinned by hash, into
# an ignored folder. ir_measures MIT, pytrec-eval-terrier MIT, numpy and scipy BSD-3-Clause.
#
# usage: setup.sh MODELS_DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${1:?usage: setup.sh MODELS_DIR}/ir_measures
wanted=$(cksum <"$here/requirements.txt")
if [ "$(cat "$target/.installed" 2>/dev/null || true)" != "$wanted" ]; then
    printf 'setup: installing ir_measures\n' >&2
    rm -rf "$target"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --prefer-binary \
        --root-user-action ignore --target "$target" -r "$here/requirements.txt" >&2
    printf '%s' "$wanted" >"$target/.installed"
fi
