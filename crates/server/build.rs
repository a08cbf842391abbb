//! Compiles the proto with a compiler written in Rust: no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    println!("cargo:rerun-if-changed=page");
    let descriptors = protox::compile(["frontload/v1/frontload.proto"], [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let encoded = descriptors.encode_to_vec();
    fs::write(out.join("frontload.descriptors"), &encoded)?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    // proto3's JSON mapping, with the proto's own names and every field there.
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .preserve_proto_field_names()
        .emit_fields()
        .build(&[".frontload.v1"])?;
    Ok(())
}
