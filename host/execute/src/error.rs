//! What can go wrong with a component, a call and this host.

use cordon_types::{ContractId, StateError};

/// Why a component is not accepted. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The bytes are not a component that this host's engine accepts.
    #[error("not an acceptable component: {0}")]
    Invalid(String),
    /// It has more of something than the profile allows.
    #[error("the component has {found} {what}; at most {max} are allowed")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many there are, or were when counting stopped.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// The process that compiles has refused it, as one of this type says it.
    #[error("{0}")]
    Refused(String),
    /// Compiling it takes more than it may.
    #[error("compiling the component takes more than {limit}")]
    CompilesTooLong {
        /// What it has used up.
        limit: String,
    },
    /// The compiler, a process beside this one, does not do its work; nothing is said of the component.
    #[error("the compiler {what}")]
    Compiler {
        /// What is wrong with it.
        what: String,
    },
    /// It imports what contracts cannot have.
    #[error(
        "the component imports {name}, which contracts cannot have: hosts offer the interfaces of cordon:contract@1.0.0, other contracts what they export"
    )]
    ForbiddenImport {
        /// The import.
        name: String,
    },
    /// It imports a function whose types cannot pass between contracts.
    #[error("the imported function {function} cannot be called: {reason}")]
    UncallableImport {
        /// Interface and function.
        function: String,
        /// What stands in the way.
        reason: String,
    },
    /// It calls an interface that nobody on the channel has.
    #[error("the component calls {interface}, which no contract on this channel exports")]
    MissingCallee {
        /// The interface.
        interface: String,
    },
    /// It calls an interface that several contracts have.
    #[error(
        "the component calls {interface}, which several contracts on this channel export: {contracts}"
    )]
    AmbiguousCallee {
        /// The interface.
        interface: String,
        /// Those that export it.
        contracts: String,
    },
    /// The contract that it calls has another function of that name, or none.
    #[error(
        "the component calls {function}, which contract {contract} does not export with these types"
    )]
    CalleeDiffers {
        /// The contract called.
        contract: ContractId,
        /// Interface and function.
        function: String,
    },
    /// Contracts call each other in a circle.
    #[error("contracts call each other in a circle: {path}")]
    CallCycle {
        /// From the first to its return.
        path: String,
    },
    /// Contracts call each other through too many others.
    #[error("contracts call each other more than {max} deep")]
    CallsTooDeep {
        /// Contracts in the middle of a call, at most.
        max: u32,
    },
    /// It exports a function that cannot be called with JSON.
    #[error("the exported function {function} cannot be called: {reason}")]
    UncallableExport {
        /// Interface and function.
        function: String,
        /// What stands in the way.
        reason: String,
    },
    /// It exports no function at all.
    #[error("the component exports no function")]
    NothingExported,
}

/// Which contract of a channel does not fit the others, and why.
#[derive(Debug, thiserror::Error)]
#[error("contract {contract}: {reason}")]
pub struct LinkError {
    /// The contract.
    pub contract: ContractId,
    /// Why. Said in this error's own text, so not its source: else it would be shown twice.
    pub reason: InstallError,
}

/// A limit of the [`Profile`](crate::Profile) that a call can run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Bytes that all calls into the host handed over.
    HostBytes,
    /// Keys read, scanned or written.
    Keys,
    /// Bytes written.
    WriteBytes,
    /// Bytes of the result.
    ResultBytes,
}

impl LimitKind {
    fn text(self) -> &'static str {
        match self {
            Self::HostBytes => "bytes exchanged with the host",
            Self::Keys => "keys read or written",
            Self::WriteBytes => "bytes written",
            Self::ResultBytes => "bytes of the result",
        }
    }
}

/// The contract is at fault. The text is the same on every host and names no engine detail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestFault {
    /// It ran an instruction that traps: a panic, memory out of bounds, division by zero.
    #[error("the contract trapped")]
    Trapped,
    /// It used up its fuel.
    #[error("the contract ran out of fuel")]
    OutOfFuel,
    /// It recursed too deeply. Where exactly depends on the engine, so this is never endorsed.
    #[error("the contract exhausted its call stack")]
    StackExhausted,
    /// Contracts called and asked each other through too many others.
    #[error("contracts called each other too deeply")]
    CallDepth,
    /// It ran into another limit.
    #[error("the contract exceeded its limit of {}", .0.text())]
    LimitExceeded(LimitKind),
}

/// This host cannot execute; it must not answer for the contract.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The world state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Every instance slot is in use.
    #[error("all contract instances are in use")]
    Busy,
    /// The engine failed in a way that is not the contract's doing.
    #[error("the engine failed: {0}")]
    Engine(String),
}
