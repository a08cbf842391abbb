#!/bin/sh
# Builds llama.cpp's own server and its two benchmark programs for the processor of this machine: the server
# that the tests speak to, and the peer that the speed benchmark is compared with. The source is the copy of
# llama.cpp inside llama-cpp-python's source distribution, pinned by hash. A second run does nothing.
# llama.cpp MIT, llama-cpp-python MIT.
#
# usage: peer.sh TOOLS_DIR
set -eu

tools=${1:?usage: peer.sh TOOLS_DIR}
say() { printf 'peer: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

version=0.3.36
sdist_sha=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
programs="llama-server llama-batched-bench llama-bench"

# The programs run on this kind of processor only, so the stamp names it too.
processor=$(uname -sm; sed -n -e '/^flags/p' -e '/^Features/p' /proc/cpuinfo 2>/dev/null | head -n 1)
wanted="$(cksum <"$0") $(printf '%s' "$processor" | cksum)"
target="$tools/llama-peer"
if [ "$(cat "$target/.built" 2>/dev/null || true)" = "$wanted" ]; then
    say "ready: $target"
    exit 0
fi

for tool in cmake make cc c++ tar python3; do
    command -v "$tool" >/dev/null 2>&1 || fail "missing: $tool. Install it with your package manager, then run this again"
done
python3 -m pip --version >/dev/null 2>&1 || fail "missing: pip. Run: sudo apt-get install -y python3-pip (or python3 -m ensurepip)"

mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
target="$tools/llama-peer"
work=$(mktemp -d "$tools/.peer.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# pip checks the hash before it asks the package's build backend for metadata, which compiles nothing.
say "downloading llama-cpp-python==$version"
printf 'llama-cpp-python==%s --hash=sha256:%s\n' "$version" "$sdist_sha" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --no-binary llama-cpp-python \
    --dest "$work" -r "$work/requirements.txt" >&2
source="llama_cpp_python-$version/vendor/llama.cpp"
tar -xzf "$work/llama_cpp_python-$version.tar.gz" -C "$work" "$source"
source="$work/$source"

# At -O3 GCC moves the stores that fill AMX's tile configuration below the instruction that loads it, and the
# first matrix product dies; at -O2 it does not. With AVX512-FP16 flash attention adds up in f16, and an answer
# behind a prompt of 1,200 tokens takes three times as long as without. The build number and commit are given,
# since llama.cpp would otherwise take those of a git checkout around TOOLS_DIR.
say "building $programs (some minutes)"
optimise="-O2 -DNDEBUG -ffile-prefix-map=$work=."
case "$processor" in *avx512_fp16*) optimise="$optimise -mno-avx512fp16" ;; esac
run() { "$@" >>"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; fail "failed: $1"; }; }
run cmake -S "$source" -B "$work/build" -G "Unix Makefiles" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="$optimise" -DCMAKE_CXX_FLAGS_RELEASE="$optimise" \
    -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DGGML_CCACHE=OFF \
    -DLLAMA_BUILD_NUMBER=0 -DLLAMA_BUILD_COMMIT="llama-cpp-python-$version" \
    -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
    -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF
run cmake --build "$work/build" --parallel "$(getconf _NPROCESSORS_ONLN)" --target $programs

mkdir "$work/llama-peer"
for program in $programs; do
    cp "$work/build/bin/$program" "$work/llama-peer/"
    "$work/llama-peer/$program" --help >/dev/null 2>&1 || fail "$program was built, but does not run"
done
printf '%s' "$wanted" >"$work/llama-peer/.built"
rm -rf "$target"
mv "$work/llama-peer" "$target"
say "ready: $target"
