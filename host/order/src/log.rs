//! The log of one channel, wherever it lives.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::embedded::EmbeddedLog;
use crate::error::OrderError;
use crate::record::Record;
use crate::remote::RemoteLog;

/// Batches of consecutive records; the first may be empty, which says that the log is there. Ends only
/// with an error; reading is then begun anew.
pub type RecordStream = BoxStream<'static, Result<Vec<Record>, OrderError>>;

/// An ordering log.
#[derive(Clone)]
pub enum OrderingLog {
    /// Kept by this process.
    Embedded(EmbeddedLog),
    /// Kept by another.
    Remote(Box<RemoteLog>),
}

impl OrderingLog {
    /// `host:port` of the host that keeps it; `None` when this process does.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Embedded(_) => None,
            Self::Remote(log) => Some(log.address()),
        }
    }

    /// Appends an encoded envelope; returns once it is on disk.
    ///
    /// # Errors
    /// [`OrderError::Refused`]: it is not in the log. Any other: that is not known.
    pub async fn append(&self, envelope: Bytes) -> Result<(), OrderError> {
        match self {
            Self::Embedded(log) => log.append(envelope).await,
            Self::Remote(log) => log.append(envelope).await,
        }
    }

    /// The records from `position` on, as they come, for ever. What is read is not checked yet:
    /// feed it through a [`Chain`](crate::Chain).
    pub fn read(&self, position: u64) -> RecordStream {
        match self {
            Self::Embedded(log) => {
                let there = futures::stream::once(async { Ok(Vec::new()) });
                there.chain(log.read(position)).boxed()
            }
            Self::Remote(log) => log.read(position),
        }
    }
}
