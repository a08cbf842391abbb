#!/bin/sh
# What only the tests need: ir_measures, the public tool our measures are compared with, pinned by hash, into an ignored
# folder (ir_measures MIT, pytrec-eval-terrier MIT, numpy and scipy BSD-3-Clause); a browser for the page, the system's
# own (Chromium, BSD-3-Clause and others); and strace (LGPL-2.1-or-later) and
# faketime (GPL-2.0).
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

# need PROGRAM PACKAGES HINT: installs Debian's packages when the program is missing, or says what to do.
need() {
    command -v "$1" >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        printf 'setup: installing %s with apt-get\n' "$2" >&2
        apt-get update -qq
        # Several packages may be named.
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $2 >/dev/null
    else
        printf 'setup: missing: %s. Run: sudo apt-get install -y %s%s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
}

need chromedriver "chromium chromium-driver" " (macOS: brew install --cask chromium chromedriver)"
# What breaks the program at chosen system calls, and sets its clock; the tests of that are Linux's alone.
if [ "$(uname)" = Linux ]; then
    need strace strace ""
    need faketime faketime ""
fi
