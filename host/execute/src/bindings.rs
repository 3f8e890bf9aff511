//! The types of `wit/` in Rust, generated. The functions are in [`crate::host`], which needs the
//! store that the generated traits do not hand out.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; documented in wit/"
)]
#![allow(clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "imports",
});
