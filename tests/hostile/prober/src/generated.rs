//! The exports of `wit/prober.wit`, as wit-bindgen writes them. Imports are the SDK's.
#![allow(
    unsafe_code,
    unreachable_pub,
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code passes memory across the component's boundary, and has its own style"
)]

#[cfg(target_family = "wasm")]
use super::Component;

cordon_sdk::wit_bindgen::generate!({
    path: ["../../../wit", "wit"],
    world: "cordon:prober/prober",
    runtime_path: "::cordon_sdk::wit_bindgen::rt",
    with: {
        "cordon:contract/types@1.0.0": ::cordon_sdk::wit::types,
        "cordon:contract/context@1.0.0": ::cordon_sdk::wit::context,
        "cordon:contract/state@1.0.0": ::cordon_sdk::wit::state,
        "cordon:contract/events@1.0.0": ::cordon_sdk::wit::events,
        "cordon:contract/ledger-query@1.0.0": ::cordon_sdk::wit::ledger_query,
    },
});

// The exports' names hold characters that native linkers refuse.
#[cfg(target_family = "wasm")]
export!(Component);
