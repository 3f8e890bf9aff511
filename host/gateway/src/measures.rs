//! What a host's services count and time. Names of contracts are those that are deployed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cordon_channel::Histogram;
use cordon_types::{ChannelId, ContractId};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use parking_lot::RwLock;
use tonic::{Code, Status};

use crate::calls_seen::CallsSeen;

/// A call of the host's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the names of the protocol's calls")]
pub enum Method {
    Evaluate,
    Endorse,
    Submit,
    CommitStatus,
    ChaincodeEvents,
    ProcessProposal,
    Deliver,
    Append,
    Read,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Evaluate,
        Self::Endorse,
        Self::Submit,
        Self::CommitStatus,
        Self::ChaincodeEvents,
        Self::ProcessProposal,
        Self::Deliver,
        Self::Append,
        Self::Read,
    ];

    /// The protocol's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evaluate => "Evaluate",
            Self::Endorse => "Endorse",
            Self::Submit => "Submit",
            Self::CommitStatus => "CommitStatus",
            Self::ChaincodeEvents => "ChaincodeEvents",
            Self::ProcessProposal => "ProcessProposal",
            Self::Deliver => "Deliver",
            Self::Append => "Append",
            Self::Read => "Read",
        }
    }
}

/// How many gRPC codes there are.
const CODES: usize = Code::Unauthenticated as usize + 1;

/// One method's calls.
#[derive(Default)]
pub struct Calls {
    codes: [AtomicU64; CODES],
    /// Until the answer, or until the stream of answers is there.
    pub duration: Histogram,
    /// Streams of answers that have not ended.
    pub open: AtomicU64,
}

impl Calls {
    /// Answered calls by gRPC code, those that there were.
    pub fn codes(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        let counts = self.codes.iter().map(|count| count.load(Relaxed));
        let codes = (0..).map(Code::from_i32);
        codes.zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// What became of proposals that were accepted for one contract.
#[derive(Default)]
pub struct ContractMeasures {
    /// Executed and signed.
    pub endorsed: AtomicU64,
    /// Executed for an answer alone.
    pub answered: AtomicU64,
    /// Refused, by the access policies or by the contract.
    pub refused: AtomicU64,
    /// The contract was at fault: it trapped or exceeded a limit.
    pub faults: AtomicU64,
    /// This host could not execute.
    pub failed: AtomicU64,
    /// Fuel of all executions.
    pub fuel: AtomicU64,
    /// Of all executions.
    pub duration: Histogram,
}

type Contracts = BTreeMap<(ChannelId, ContractId), Arc<ContractMeasures>>;

/// One host's.
#[derive(Default)]
pub struct Measures {
    calls: [Calls; Method::ALL.len()],
    contracts: RwLock<Contracts>,
    calls_seen: CallsSeen,
}

impl Measures {
    /// Calls of a method.
    pub fn calls(&self, method: Method) -> &Calls {
        &self.calls[method as usize]
    }

    /// The last calls of contracts.
    pub fn calls_seen(&self) -> &CallsSeen {
        &self.calls_seen
    }

    /// Contracts that were called since the host was started.
    pub fn contracts(&self) -> Contracts {
        self.contracts.read().clone()
    }

    /// Those of a contract that is deployed.
    pub(crate) fn contract(&self, channel: &ChannelId, id: &ContractId) -> Arc<ContractMeasures> {
        let key = (channel.clone(), id.clone());
        if let Some(found) = self.contracts.read().get(&key) {
            return Arc::clone(found);
        }
        Arc::clone(self.contracts.write().entry(key).or_default())
    }

    /// Counts and times a call. One that its client gives up is `CANCELLED`.
    pub(crate) async fn call<T>(
        &self,
        method: Method,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let mut under_way = UnderWay {
            calls: self.calls(method),
            started: Instant::now(),
            code: Code::Cancelled,
        };
        let result = work.await;
        under_way.code = result.as_ref().err().map_or(Code::Ok, Status::code);
        result
    }

    /// Counts a stream of answers while it is open.
    pub(crate) fn stream<T: Send + 'static>(
        self: &Arc<Self>,
        method: Method,
        stream: BoxStream<'static, T>,
    ) -> BoxStream<'static, T> {
        let open = Open::new(Arc::clone(self), method);
        let counted = stream.inspect(move |_| {
            let _ = &open;
        });
        counted.boxed()
    }
}

struct UnderWay<'a> {
    calls: &'a Calls,
    started: Instant,
    code: Code,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.calls.codes[self.code as usize].fetch_add(1, Relaxed);
        self.calls.duration.observe(self.started.elapsed());
    }
}

struct Open(Arc<Measures>, Method);

impl Open {
    fn new(measures: Arc<Measures>, method: Method) -> Self {
        measures.calls(method).open.fetch_add(1, Relaxed);
        Self(measures, method)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.calls(self.1).open.fetch_sub(1, Relaxed);
    }
}

impl ContractMeasures {
    pub(crate) fn executed(&self, duration: Duration, fuel: u64) {
        self.duration.observe(duration);
        self.fuel.fetch_add(fuel, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn calls_count_by_their_code_and_given_up_ones_too() {
        let measures = Arc::new(Measures::default());
        let ok = measures.call(Method::Submit, async { Ok(1) }).await;
        assert_eq!(ok.unwrap(), 1);
        let refusal = async { Err::<(), _>(Status::aborted("no")) };
        assert!(measures.call(Method::Submit, refusal).await.is_err());
        let never = std::future::pending::<Result<(), Status>>();
        assert!(
            measures
                .call(Method::Submit, never)
                .now_or_never()
                .is_none()
        );
        let codes: Vec<_> = measures.calls(Method::Submit).codes().collect();
        assert_eq!(
            codes,
            [(Code::Ok, 1), (Code::Cancelled, 1), (Code::Aborted, 1)]
        );
        assert_eq!(measures.calls(Method::Endorse).codes().count(), 0);
    }

    #[tokio::test]
    async fn a_stream_is_open_until_it_is_dropped() {
        let measures = Arc::new(Measures::default());
        let stream = measures.stream(Method::Deliver, futures::stream::iter([1, 2]).boxed());
        let open = || measures.calls(Method::Deliver).open.load(Relaxed);
        assert_eq!(open(), 1);
        drop(stream);
        assert_eq!(open(), 0);
    }
}
