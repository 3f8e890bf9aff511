//! Compiles the protobuf definitions; no protoc needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "common",
        "msp",
        "protos",
        "gateway",
        "orderer",
        "rwset",
        "kvrwset",
        "google_rpc",
        "ordering",
        "collection",
        "lifecycle",
        "lifecycle_state",
    ]
    .map(|name| format!("proto/{name}.proto"));
    for file in &files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["proto"])?;
    // What gRPC reflection answers.
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(out, prost::Message::encode_to_vec(&descriptors))?;
    let services = std::env::var_os("CARGO_FEATURE_SERVICES").is_some();
    tonic_prost_build::configure()
        .build_client(services)
        .build_server(services)
        // Bytes share the buffer they were decoded from: no copy of what is passed on or hashed.
        .bytes(".")
        // Whatever is hashed or signed has one encoding: maps encode in key order.
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
