//! What a contract's developer is told of a fault, beyond the status that clients get: what the contract
//! said when it panicked, which limit stopped it, and where it was. It goes to the host's own log and to
//! whoever observes an execution, and is no part of an [`Outcome`](crate::Outcome): what it says may
//! hold values of records, and differs between engines.

use std::collections::VecDeque;
use std::fmt;

use cordon_types::ContractId;
use parking_lot::Mutex;
use wasmtime::{Trap, WasmBacktrace};

use crate::error::GuestFault;

/// Texts that are kept: the last ones, because what a contract said before may have had no consequence.
const TEXTS_MAX: usize = 8;
/// Bytes that are kept of a text.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Bytes of a function's name that are shown; a longer one stays as its component has it.
const NAME_BYTES_MAX: usize = 512;

/// Why an execution ended in a fault, for the contract's developer.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The contract that was at fault: the one called, or one that it called.
    pub contract: ContractId,
    /// The function of it that ran, by its WIT name.
    pub function: String,
    /// What the client is told, too.
    pub fault: GuestFault,
    /// What the contract said when it panicked, oldest first. May hold values of records.
    pub panics: Vec<String>,
    /// What the engine says of an instruction that trapped.
    pub trap: Option<String>,
    /// Bytes of memory that it asked for last and was refused; what it had goes on as it was, so this
    /// need not be the reason.
    pub memory_refused: Option<usize>,
    /// Functions that were running, the innermost first: names where the component has them, else
    /// their numbers.
    pub backtrace: Vec<String>,
}

/// Without what the contract said.
impl fmt::Debug for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnosis")
            .field("contract", &self.contract)
            .field("function", &self.function)
            .field("fault", &self.fault)
            .field("panics", &self.panics.len())
            .finish_non_exhaustive()
    }
}

/// For people: several lines.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            contract,
            function,
            fault,
            ..
        } = self;
        write!(f, "{contract} {function}: {fault}")?;
        for text in &self.panics {
            write!(f, "\n{text}")?;
        }
        if let Some(trap) = &self.trap {
            write!(f, "\n{trap}")?;
        }
        if let Some(bytes) = self.memory_refused {
            write!(
                f,
                "\nmemory of {bytes} bytes was refused (memory_bytes_max)"
            )?;
        }
        for name in &self.backtrace {
            write!(f, "\n  in {name}")?;
        }
        Ok(())
    }
}

/// Collects what there is to say of one execution, all contracts on all channels that run in it.
pub(crate) struct Diagnostics {
    /// Whether anybody will look: names are not read for nothing.
    wanted: bool,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    panics: VecDeque<String>,
    diagnosis: Option<Diagnosis>,
}

impl Diagnostics {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            found: Mutex::default(),
        }
    }

    /// A contract says that it panics.
    pub(crate) fn panicked(&self, mut text: String) {
        if !self.wanted {
            return;
        }
        if text.len() > TEXT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            text.push('…');
            text.shrink_to_fit();
        }
        let panics = &mut self.found.lock().panics;
        if panics.len() == TEXTS_MAX {
            panics.pop_front();
        }
        panics.push_back(text);
    }

    /// A function of a contract has ended in a fault. The first one told is the reason: those that
    /// wait for it end with it.
    pub(crate) fn fault(
        &self,
        contract: &ContractId,
        function: &str,
        fault: &GuestFault,
        trace: Trace,
        memory_refused: Option<usize>,
    ) {
        let mut found = self.found.lock();
        if !self.wanted || found.diagnosis.is_some() {
            return;
        }
        found.diagnosis = Some(Diagnosis {
            contract: contract.clone(),
            function: function.to_owned(),
            fault: fault.clone(),
            panics: found.panics.drain(..).collect(),
            trap: trace.trap,
            memory_refused,
            backtrace: trace.functions,
        });
    }

    /// What an engine's error tells.
    pub(crate) fn trace(&self, error: &wasmtime::Error) -> Trace {
        if !self.wanted {
            return Trace::default();
        }
        let frames = error
            .downcast_ref::<WasmBacktrace>()
            .map_or(&[][..], WasmBacktrace::frames);
        let functions = frames.iter().map(|frame| match frame.func_name() {
            Some(name) => readable(name),
            None => format!("function {}", frame.func_index()),
        });
        Trace {
            trap: error.downcast_ref::<Trap>().map(ToString::to_string),
            functions: functions.collect(),
        }
    }

    /// Why the execution ended in a fault, if it did.
    pub(crate) fn take(&self) -> Option<Diagnosis> {
        self.found.lock().diagnosis.take()
    }
}

/// Where a function was when it ended.
#[derive(Default)]
pub(crate) struct Trace {
    trap: Option<String>,
    functions: Vec<String>,
}

/// A function's name as its language writes it.
fn readable(name: &str) -> String {
    if name.len() > NAME_BYTES_MAX {
        return format!("{}…", &name[..name.floor_char_boundary(NAME_BYTES_MAX)]);
    }
    let mut shown = format!("{:#}", rustc_demangle::demangle(name));
    // A short name can stand for a long one.
    shown.truncate(shown.floor_char_boundary(NAME_BYTES_MAX));
    shown
}
