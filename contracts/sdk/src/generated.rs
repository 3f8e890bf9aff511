//! The bindings of `wit/contract.wit`, as wit-bindgen writes them; mapped to this crate's own types in
//! `host.rs` and nowhere else. The imported functions exist on wasm only: elsewhere they compile, and
//! panic when called.
#![allow(
    unsafe_code,
    unused_qualifications,
    unreachable_pub,
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code passes memory across the component's boundary, and has its own style"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "imports",
    generate_all,
});
