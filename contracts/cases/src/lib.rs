//! Runs the cases in `contracts/*/cases` natively: on the same Rust as in the components, glue included,
//! but without WebAssembly and without a host. Answers, writes and events must be those that are
//! recorded of the components; reads, calls into the host and fuel are theirs alone.
//!
//! There is nothing here but tests.

#[cfg(test)]
mod files;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod town;
