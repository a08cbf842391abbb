#!/bin/sh
# What only the tests need: ir_measures, the public tool our measures are compared with, pinned by hash, into an ignored
# folder (ir_measures MIT, pytrec-eval-terrier MIT, numpy and scipy BSD-3-Clause); and a browser for the page, the
# system's own (Chromium, BSD-3-Clause and others).
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

if ! command -v chromedriver >/dev/null 2>&1; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        printf 'setup: installing chromium with apt-get\n' >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null
    else
        printf 'setup: missing: chromedriver. Run: sudo apt-get install -y chromium chromium-driver (macOS: brew install --cask chromium chromedriver)\n' >&2
        exit 1
    fi
fi
