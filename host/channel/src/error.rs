//! Why a channel cannot be opened, or stopped.

use cordon_execute::{InstallError, LinkError};
use cordon_ledger::LedgerError;
use cordon_order::OrderError;
use cordon_types::{ChannelId, ContractId, MspId, StateError};

use crate::config::ConfigError;

/// A channel that cannot go on on this host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The configuration in block 0.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The ordering log.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The ledger on disk begins with another block 0.
    #[error("the ledger on disk is another channel's, or begins with another configuration")]
    OtherGenesis,
    /// The last configuration on the ledger cannot be read.
    #[error("block {number} does not hold the configuration that it should")]
    NoConfig {
        /// The block.
        number: u64,
    },
    /// The last block does not say where in the ordering log it ends.
    #[error("block {number} does not say where in the ordering log it ends")]
    NoPosition {
        /// The block.
        number: u64,
    },
    /// The host does not have a contract's code.
    #[error(
        "this host has no component with SHA-256 {sha256}, which the channel runs as contract {contract}: install its package (cordon contract install)"
    )]
    NoComponent {
        /// The contract.
        contract: ContractId,
        /// The component's hash, hex.
        sha256: String,
    },
    /// The file of a contract's code holds something else.
    #[error(
        "the file {sha256}.wasm, which should be contract {contract}, does not have that SHA-256: put the right component in its place"
    )]
    OtherComponent {
        /// The contract.
        contract: ContractId,
        /// The component's hash, hex.
        sha256: String,
    },
    /// A contract's code is not acceptable.
    #[error("contract {contract}: {reason}")]
    Component {
        /// The contract.
        contract: ContractId,
        /// Why. Said in this error's own text, so not its source: else it would be shown twice.
        reason: InstallError,
    },
    /// The contracts of the channel do not fit each other.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The organisation has left the channel.
    #[error(
        "{organization} is no longer a member of channel {channel}: what is on this host stays as it is, and nothing more comes"
    )]
    NotMember {
        /// The channel.
        channel: ChannelId,
        /// The organisation of this host.
        organization: MspId,
    },
    /// A mistake of this host.
    #[error("{0}")]
    Internal(String),
}
