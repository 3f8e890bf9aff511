//! The vocabulary of Cordon: ids, versions, read-write sets, validation codes, and the view of the
//! world state that a contract runs on. No I/O and no dependency on the other crates.

mod call;
mod ids;
mod rw_set;
mod state;
mod validation;

pub use call::{Caller, Event, Response, status};
pub use ids::{ChannelId, ContractId, IdError, MspId, TxId};
pub use rw_set::{ContractReadWriteSet, KeyRead, KeyWrite, RangeRead, RangeResults, ReadWriteSet};
pub use state::{
    HistoryEntry, KEY_BYTES_MAX, Snapshot, StateError, Version, VersionedValue, check_key,
};
pub use validation::ValidationCode;
