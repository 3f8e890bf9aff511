//! Everything a Cordon contract in Rust needs, and nothing that it may not have: a contract sees its
//! world (`wit/contract.wit`) only, so there is no clock, no randomness, no network and no file here.
//!
//! A contract's rules are ordinary functions over [`World`], a trait with two implementations:
//! [`Host`], the host that runs the component, and `testing::TestWorld` (feature `testing`), which runs
//! the same rules natively under plain `cargo test`.
//!
//! - [`Caller`]: who calls, and guards that refuse the wrong ones.
//! - [`Collection`]: typed records, one per key.
//! - [`check_text`], [`check_id`], [`optional_text`]: what clients send, checked.
//! - [`Key`]: composite keys whose parts cannot be confused.
//! - [`Error`]: the four ways to refuse.
//!
//! A contract that panics ends its call with a fault (status 500), of which clients learn nothing more.
//! What the panic says, with its place in the source, goes to the developer: in the hosts' own log at
//! debug level and in `cordon contract test`; natively, where every panic of a test does.
//!
//! JSON is no business of contracts: hosts translate between JSON and the contract's own types. A
//! contract with serde_json inside was measured two and a half times as large.

mod caller;
mod codec;
mod collection;
mod error;
mod events;
mod field;
mod generated;
#[cfg(not(feature = "testing"))]
mod host;
mod key;
#[doc(hidden)]
pub mod rt;
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;
mod world;

pub use caller::Caller;
pub use collection::{Collection, Past, Record};
pub use error::{Error, Result};
pub use events::emit_record;
pub use field::{ID_BYTES_MAX, TEXT_BYTES_MAX, check_id, check_text, optional_text};
pub use generated::cordon::contract as wit;
#[cfg(not(feature = "testing"))]
pub use host::Host;
pub use key::{KEY_BYTES_MAX, Key, KeyError};
#[cfg(feature = "testing")]
pub use testing::Host;
pub use timestamp::Timestamp;
pub use wit_bindgen;
pub use world::{
    Answer, Block, Change, Entry, HistoryPage, Page, Position, Query, Range, SCAN_LIMIT_MAX, World,
};

/// The allocator of every contract. On a fresh instance it begins with the memory between the end of
/// the module's data and the initial size that the linker was told (`build.sh`, `--initial-memory`),
/// so an ordinary call never grows memory: `memory.grow` is two `mprotect` per call on the host, and
/// made calls slower the more threads there were. Larger data grows memory up to the host's limit.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Makes module `generated` with the bindings of a contract's world, and on WebAssembly its exports,
/// which the crate's type `Component` has to implement. Names the world, and the folders of its WIT,
/// packages before those that use them; interfaces of the host are this crate's.
///
/// ```ignore
/// cordon_sdk::bindings!("cordon:emr/emr", ["../../wit", "wit"]);
/// ```
#[cfg(not(feature = "testing"))]
#[macro_export]
macro_rules! bindings {
    ($world:tt, $path:tt) => {
        $crate::bindings_deriving!($world, $path, []);
    };
}

/// The same, with types that recorded cases can say in JSON.
#[cfg(feature = "testing")]
#[macro_export]
macro_rules! bindings {
    ($world:tt, $path:tt) => {
        $crate::bindings_deriving!($world, $path, [serde::Serialize, serde::Deserialize]);
    };
}

/// What [`bindings!`] does; the types are to derive these traits.
#[doc(hidden)]
#[macro_export]
macro_rules! bindings_deriving {
    ($world:tt, $path:tt, $derives:tt) => {
        #[allow(
            unsafe_code,
            unreachable_pub,
            missing_docs,
            clippy::pedantic,
            clippy::allow_attributes_without_reason,
            reason = "generated code passes memory across the component's boundary, and has its own style"
        )]
        mod generated {
            #[cfg(target_family = "wasm")]
            use super::Component;

            $crate::wit_bindgen::generate!({
                path: $path,
                world: $world,
                generate_all,
                additional_derives: $derives,
                runtime_path: "::cordon_sdk::rt",
                with: {
                    "cordon:contract/types@1.0.0": ::cordon_sdk::wit::types,
                    "cordon:contract/context@1.0.0": ::cordon_sdk::wit::context,
                    "cordon:contract/state@1.0.0": ::cordon_sdk::wit::state,
                    "cordon:contract/events@1.0.0": ::cordon_sdk::wit::events,
                    "cordon:contract/ledger-query@1.0.0": ::cordon_sdk::wit::ledger_query,
                    "cordon:contract/diagnostics@1.0.0": ::cordon_sdk::wit::diagnostics,
                },
            });

            // The exports' names hold characters that native linkers refuse.
            #[cfg(target_family = "wasm")]
            export!(Component);
        }
    };
}

/// Makes a function `exported` with the component's functions, for recorded cases to run natively. Only
/// with the contract's feature `testing`, which is to turn on this crate's. Names all that `Component`
/// exports, by interface:
///
/// ```ignore
/// cordon_sdk::exported! {
///     health_center { create_emr, check_is_patient_registered }
/// }
/// ```
#[macro_export]
macro_rules! exported {
    ($($interface:ident { $($function:ident),+ $(,)? })+) => {
        /// The component's functions, natively.
        #[cfg(feature = "testing")]
        pub fn exported() -> Vec<cordon_sdk::testing::Function> {
            vec![$($(
                cordon_sdk::testing::Function::new(
                    stringify!($interface),
                    stringify!($function),
                    <Component as $interface::Guest>::$function,
                ),
            )+)+]
        }
    };
}
