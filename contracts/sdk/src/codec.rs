//! How records become bytes: postcard. Compact, and the same value always gives the same bytes, which
//! endorsing hosts compare.
//!
//! Postcard does not name fields. A record that is stored may therefore not be changed by adding,
//! removing or reordering fields; give the new shape a new kind of key, and convert when reading.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a record.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("only a record type that postcard cannot express fails")
}

/// The record in these bytes.
///
/// Bytes that are no such record trap, and the caller gets status 500: it is a fault of the contract,
/// whose own earlier version wrote them, and none of the ways to refuse says that.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> T {
    postcard::from_bytes(bytes)
        .expect("the contract reads a record in another shape than it wrote it")
}
