//! What the generated exports of contracts run on: wit-bindgen's runtime, and the report of panics.

pub use wit_bindgen::rt::*;

/// Called first by every exported function: a panic from here on is told to the host before it traps.
/// Without it the message would be written to a stderr that components do not have.
#[cfg(target_arch = "wasm32")]
pub fn run_ctors_once() {
    wit_bindgen::rt::run_ctors_once();
    // The instance is fresh for each call, so this is done once for each.
    std::panic::set_hook(Box::new(|panic| {
        crate::wit::diagnostics::panicked(&panic.to_string());
    }));
}
