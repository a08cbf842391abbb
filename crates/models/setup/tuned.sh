#!/bin/sh
# Runs a command with llama.cpp's build set for the processor of this machine: several times the speed of the
# portable build, which `cargo build --release` alone gives. A program built so runs on this kind of processor.
#
# usage: tuned.sh COMMAND [ARGUMENT…]
set -eu

flags=
[ -r /proc/cpuinfo ] && flags=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1) "
# has FLAG…: whether the processor has all of them.
has() {
    for flag in "$@"; do
        case "$flags" in *" $flag "*) ;; *) return 1 ;; esac
    done
}
if has avx512f avx512cd avx512bw avx512dq avx512vl; then
    export GGML_AVX512=ON
    if has avx512vbmi; then export GGML_AVX512_VBMI=ON; fi
    if has avx512_vnni; then export GGML_AVX512_VNNI=ON; fi
    if has avx512_bf16; then export GGML_AVX512_BF16=ON; fi
fi
if has avx_vnni; then export GGML_AVX_VNNI=ON; fi
if has avx512_vnni amx_tile amx_int8; then
    # At -O3 GCC moves the stores that fill the tile configuration below the instruction that loads it, and
    # the first matrix product dies; at -O2 it does not.
    export GGML_AMX_TILE=ON GGML_AMX_INT8=ON CMAKE_C_FLAGS_RELEASE="-O2 -DNDEBUG" CMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG"
fi
exec "$@"
