//! Verdicts and their reasons. `Display` and `Debug` may go to a log: they hold no keys.

use std::fmt;

use cordon_policy::PolicyRefusal;
use cordon_types::{ContractId, ValidationCode, Version};
use cordon_wire::WireError;

use crate::{ENDORSEMENTS_MAX, IdentityRefusal};

/// What becomes of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The code that stands in the block.
    pub code: ValidationCode,
    /// Why; `None` when and only when the code is `Valid`. It stays on this host.
    pub reason: Option<Reason>,
}

/// Why a transaction takes no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A part is missing, undecodable or contradicts another.
    #[error(transparent)]
    Shape(WireError),
    /// The header names another channel.
    #[error("the transaction is for another channel")]
    OtherChannel,
    /// A configuration stands elsewhere than at the beginning of the ledger.
    #[error("a configuration is acceptable only as the first transaction of block 0")]
    MisplacedConfig,
    /// The creator's signature counts for nothing.
    #[error("creator: {0}")]
    Creator(IdentityRefusal),
    /// A configuration is not the next one, or not one that members could go on with.
    #[error("the configuration cannot take effect: {0}")]
    Config(String),
    /// An approval of a configuration does not count.
    #[error("an approval of the configuration does not count: {0}")]
    ConfigApproval(String),
    /// Too few have approved a configuration.
    #[error("the configuration's approvals do not satisfy the channel's governance policy: {0}")]
    ConfigApprovals(PolicyRefusal),
    /// What `_lifecycle` writes is not what it must be.
    #[error("_lifecycle: {0}")]
    Lifecycle(String),
    /// The contract got another definition earlier in the block.
    #[error("contract {0} got another definition earlier in this block")]
    ContractRedefined(ContractId),
    /// Another configuration of the same block came first.
    #[error("another configuration of the same block came first")]
    ConfigOvertaken,
    /// The transaction id is taken.
    #[error("the transaction id is taken by {}", Taken(*.earlier))]
    DuplicateTxId {
        /// Index of the transaction of the same block that took it; `None`: an earlier block.
        earlier: Option<u32>,
    },
    /// No such contract was ever deployed on the channel.
    #[error("contract {0} is not deployed on this channel")]
    ContractUnknown(ContractId),
    /// The contract was removed from the channel.
    #[error("contract {0} was removed from this channel")]
    ContractRemoved(ContractId),
    /// It was endorsed on another version of the contract.
    #[error("endorsed on version {endorsed:?} of the contract; {committed:?} is committed")]
    ContractVersion {
        /// The version endorsed, cut to 64 characters.
        endorsed: String,
        /// The version committed.
        committed: String,
    },
    /// What was endorsed is a refusal or a fault.
    #[error("the contract answered {0}, which is not a success")]
    ResponseStatus(i32),
    /// State is written of a contract that is not deployed.
    #[error("the transaction writes state of contract {0}, which is not deployed on this channel")]
    ForeignWrite(ContractId),
    /// More endorsements than any endorsement policy can ask for.
    #[error("{0} endorsements; at most {ENDORSEMENTS_MAX} are allowed")]
    TooManyEndorsements(usize),
    /// An endorsement policy is not satisfied.
    #[error("endorsement policy of contract {contract}: {refusal}{}", NotCounted(.not_counted))]
    Endorsements {
        /// Whose it is: the contract called, or one whose state is written.
        contract: ContractId,
        /// What is lacking.
        refusal: PolicyRefusal,
        /// Why endorsements that are there count for nothing, in their order.
        not_counted: Vec<IdentityRefusal>,
    },
    /// A key read has changed.
    #[error("a key that was read has changed: {0}")]
    Read(Conflict),
    /// A range scanned has changed.
    #[error("a range that was scanned has changed: {0}")]
    Phantom(Conflict),
}

/// A read that does not hold any more, and the transaction that won.
#[derive(Clone, PartialEq, Eq)]
pub struct Conflict {
    pub(crate) contract: ContractId,
    pub(crate) key: Option<String>,
    pub(crate) read: Option<Version>,
    pub(crate) winner: Option<Version>,
}

struct Taken(Option<u32>);
struct NotCounted<'a>(&'a [IdentityRefusal]);

// === impl Verdict ===

impl Verdict {
    pub(crate) const VALID: Self = Self {
        code: ValidationCode::Valid,
        reason: None,
    };

    pub(crate) const fn refused(code: ValidationCode, reason: Reason) -> Self {
        Self {
            code,
            reason: Some(reason),
        }
    }

    /// Whether the transaction's writes take effect.
    pub fn is_valid(&self) -> bool {
        self.code == ValidationCode::Valid
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            None => write!(f, "{}", self.code),
            Some(reason) => write!(f, "{}: {reason}", self.code),
        }
    }
}

// === impl Reason ===

impl Reason {
    /// The conflict with another transaction, if that is the reason.
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Read(conflict) | Self::Phantom(conflict) => Some(conflict),
            _ => None,
        }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("an earlier block"),
            Some(index) => write!(f, "transaction {index} of this block"),
        }
    }
}

impl fmt::Display for NotCounted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = ". Not counted: ";
        for refusal in self.0 {
            write!(f, "{separator}{refusal}")?;
            separator = "; ";
        }
        Ok(())
    }
}

// === impl Conflict ===

impl Conflict {
    /// The namespace.
    pub fn contract(&self) -> &ContractId {
        &self.contract
    }

    /// The key, for the host's own records and the parties to it; never for a log. `None` when only
    /// a summary of the scan was endorsed, which does not tell, and no transaction of this block
    /// wrote into the range.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The version that was read; `None` when the key was absent or is not known.
    pub fn read(&self) -> Option<Version> {
        self.read
    }

    /// The transaction that changed the key: its block and index. `None` when it is not known,
    /// because the key was deleted in an earlier block or is not known itself.
    pub fn winner(&self) -> Option<Version> {
        self.winner
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contract {}, read at ", self.contract)?;
        match self.read {
            Some(version) => write!(f, "block {} transaction {}", version.block, version.tx)?,
            None => f.write_str("no version")?,
        }
        match self.winner {
            Some(winner) => {
                write!(
                    f,
                    ", changed by block {} transaction {}",
                    winner.block, winner.tx
                )
            }
            None => f.write_str(", changed by an earlier block"),
        }
    }
}

impl fmt::Debug for Conflict {
    // Keys never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conflict")
            .field("contract", &self.contract)
            .field("key_bytes", &self.key.as_ref().map(String::len))
            .field("read", &self.read)
            .field("winner", &self.winner)
            .finish()
    }
}
