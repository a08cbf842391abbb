//! What the kernels were compiled for, and whether this processor has it: llama.cpp itself would only end the
//! process at the first instruction that is missing.

/// Processor features by name, whether this build needs them, and whether they are here.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<(&'static str, bool, bool)> {
    // `crates/models/setup/tuned.sh` sets these for llama.cpp's build; without it that build asks for AVX2 alone.
    vec![
        ("AVX2", true, std::arch::is_x86_feature_detected!("avx2")),
        ("FMA", true, std::arch::is_x86_feature_detected!("fma")),
        ("F16C", true, std::arch::is_x86_feature_detected!("f16c")),
        ("AVX512", option_env!("GGML_AVX512").is_some(), std::arch::is_x86_feature_detected!("avx512f")),
        ("AVX512_VNNI", option_env!("GGML_AVX512_VNNI").is_some(), std::arch::is_x86_feature_detected!("avx512vnni")),
        ("AVX512_BF16", option_env!("GGML_AVX512_BF16").is_some(), std::arch::is_x86_feature_detected!("avx512bf16")),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<(&'static str, bool, bool)> {
    Vec::new()
}

/// Refuses a processor that lacks what the build needs.
pub(super) fn check() -> Result<(), String> {
    let missing: Vec<&str> =
        features().into_iter().filter(|(_, built, here)| *built && !here).map(|(name, ..)| name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("this program was built for a processor with {}; build it here (make build)", missing.join(", ")))
}

/// Why nothing faster is in use, if something faster is known.
pub(super) fn note(plain: bool) -> Option<String> {
    if plain {
        return Some(
            "the kernels built in for this processor died in their self-test, so plain ones are in use".to_owned(),
        );
    }
    let idle: Vec<&str> =
        features().into_iter().filter(|(_, built, here)| !built && *here).map(|(name, ..)| name).collect();
    (!idle.is_empty())
        .then(|| format!("the processor has {} besides, which `make build` would put to use", idle.join(", ")))
}

/// The kernels in use. AMX is left to llama.cpp to switch on where the processor has it.
pub(super) fn kernels(plain: bool) -> String {
    let mut names: Vec<&str> = features().into_iter().filter(|(_, built, _)| *built).map(|(name, ..)| name).collect();
    if option_env!("GGML_AMX_INT8").is_some() && !plain {
        names.push("AMX_INT8");
    }
    if names.is_empty() {
        names.push(std::env::consts::ARCH);
    }
    names.join(" ")
}
