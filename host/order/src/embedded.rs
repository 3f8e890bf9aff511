//! The log kept in this process: an fsynced file, written by one thread that groups what arrives
//! while the disk works.
//!
//! The same thread posts the cuts. An envelope that finds the line idle is cut at once, in the same
//! fsync, so a lone client waits for nothing. Under load the open block is cut when no envelope has
//! come for [`IDLE`], or [`OPEN_MAX`] after its first one.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cordon_journal::{Journal, JournalError, Location, Options, Reader, TornTail};
use futures::StreamExt as _;
use tokio::sync::{oneshot, watch};

use crate::cutter::{BatchLimits, Cutter};
use crate::error::OrderError;
use crate::log::RecordStream;
use crate::record::{Chain, Content, ENVELOPE_BYTES_MAX, Position, Record};

/// The line is idle when no envelope has come for this long: several times what one fsync takes,
/// below what a person notices.
const IDLE: Duration = Duration::from_millis(5);
/// On a busy line the writer waits this long for company: envelopes that share a write share its
/// fsync and the message to every host that reads the log.
const GATHER: Duration = Duration::from_millis(2);
/// Longest that a block stays open.
pub const OPEN_MAX: Duration = Duration::from_millis(100);
/// Envelopes that may wait for the disk; more are told to come again.
const QUEUE_MAX: usize = 10_000;
/// Envelopes in one write.
const WRITE_MAX: usize = 1_000;
/// Records handed to a reader at once.
const READ_MAX: u64 = 256;
/// Records of so many bytes are read without another thread.
const READ_INLINE_BYTES_MAX: u64 = 256 << 10;
/// Their size, after which no more are added; a reader takes that and one largest record on top.
const READ_BYTES_MAX: u64 = 4 << 20;
/// Pause after a write that failed, before the next is tried.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// A new file is begun beyond this size.
const SEGMENT_BYTES: u64 = 256 << 20;

struct Waiting {
    envelope: Bytes,
    done: oneshot::Sender<Result<(), OrderError>>,
}

/// What the writer is asked for.
enum Work {
    Append(Waiting),
    /// To cut from this block on by these limits.
    Resume(Cutter),
}

/// Where the records are, shared with readers.
#[derive(Default)]
struct Index(Mutex<Vec<Location>>);

impl Index {
    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Location>> {
        // The vector is valid at every moment, so a panic elsewhere leaves nothing to fear.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log of one channel in this process. Cheap to clone; the files are closed with the last clone.
#[derive(Clone)]
pub struct EmbeddedLog {
    queue: SyncSender<Work>,
    reader: Reader,
    index: Arc<Index>,
    length: watch::Receiver<u64>,
}

impl EmbeddedLog {
    /// Opens or creates the log in `dir`. A last record that is complete but damaged is not cut off:
    /// hosts may have read it, and its place must not go to another. Returns what was cut off its end, if the process or the
    /// machine had stopped in the middle of a write: such a record was never acknowledged.
    ///
    /// # Errors
    /// [`OrderError::Storage`] when the files are damaged or in use by another process.
    pub fn open(dir: &Path, limits: BatchLimits) -> Result<(Self, Option<TornTail>), OrderError> {
        let (journal, opened) = Journal::open(
            dir,
            Options {
                segment_bytes: SEGMENT_BYTES,
                keep_full_length: true,
            },
        )
        .map_err(storage)?;
        let reader = journal.reader();
        let mut chain = Chain::default();
        let mut cutter = Cutter::new(limits, 1, Position::default());
        for (position, location) in (0..).zip(&opened.records) {
            let record = read_record(&reader, position, *location)?;
            chain.check(&record)?;
            cutter.push(&record);
        }
        let (length_sender, length) = watch::channel(opened.records.len() as u64);
        let index = Arc::new(Index(Mutex::new(opened.records)));
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let writer = Writer {
            journal,
            reader: reader.clone(),
            chain,
            cutter,
            index: Arc::clone(&index),
            length: length_sender,
            waiting,
            writes: true,
        };
        std::thread::Builder::new()
            .name("ordering".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OrderError::Storage(error.to_string()))?;
        Ok((
            Self {
                queue,
                reader,
                index,
                length,
            },
            opened.cut,
        ))
    }

    /// Number of records.
    pub fn length(&self) -> u64 {
        *self.length.borrow()
    }

    /// Writes the records there are now into `dir`, a new folder, durably; how many these are. `each`
    /// is told how many are done and of how many, and ends the copying by an error; what is written by
    /// then stays. Blocking.
    ///
    /// # Errors
    /// Those of `each`; [`OrderError::Storage`], also when the folder holds records already.
    pub fn copy<E: From<OrderError>>(
        &self,
        dir: &Path,
        mut each: impl FnMut(u64, u64) -> Result<(), E>,
    ) -> Result<u64, E> {
        let records = self.index.locked().clone();
        let (mut journal, opened) = Journal::open(dir, Options::default()).map_err(storage)?;
        if !opened.records.is_empty() {
            let text = format!("{} holds records already", dir.display());
            return Err(OrderError::Storage(text).into());
        }
        let total = records.len() as u64;
        for (done, &location) in (1..).zip(&records) {
            each(done, total)?;
            let record = self.reader.read(location).map_err(storage)?;
            journal.append(&[&record]).map_err(storage)?;
        }
        journal.finish().map_err(storage)?;
        Ok(total)
    }

    /// Whether `position` lies on this log: it has the records before it, and they are the same.
    ///
    /// # Errors
    /// [`OrderError::Storage`] when the files cannot be read.
    pub fn holds(&self, position: Position) -> Result<bool, OrderError> {
        let Some(last) = position.next.checked_sub(1) else {
            return Ok(position == Position::default());
        };
        let found = usize::try_from(last)
            .ok()
            .and_then(|last| self.index.locked().get(last).copied());
        let Some(location) = found else {
            return Ok(false);
        };
        Ok(read_record(&self.reader, last, location)?.chain == position.chain)
    }

    /// Appends an encoded envelope; returns once it is on disk.
    ///
    /// # Errors
    /// [`OrderError::Refused`]: it is not in the log. Any other: that is not known.
    pub async fn append(&self, envelope: Bytes) -> Result<(), OrderError> {
        if envelope.len() > ENVELOPE_BYTES_MAX {
            let bytes = envelope.len();
            return Err(OrderError::Refused(format!(
                "it has {bytes} bytes, at most {ENVELOPE_BYTES_MAX} are allowed"
            )));
        }
        let (done, result) = oneshot::channel();
        self.queue
            .try_send(Work::Append(Waiting { envelope, done }))
            .map_err(|error| match error {
                TrySendError::Full(_) => {
                    OrderError::Refused("too many envelopes are waiting; try again".to_owned())
                }
                TrySendError::Disconnected(_) => stopped(),
            })?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Tells the writer which block is next after `position`, and when blocks are full from there on.
    /// Until then it may post cuts for blocks that hosts number otherwise; these say nothing.
    /// Blocking.
    pub fn resume(&self, limits: BatchLimits, block: u64, position: Position) {
        // A writer that has stopped cuts nothing.
        let _ = self
            .queue
            .send(Work::Resume(Cutter::new(limits, block, position)));
    }

    /// The records from `position` on, as they come, for ever.
    pub fn read(&self, position: u64) -> RecordStream {
        let length = self.length();
        if position > length {
            // Whoever asks has read more than there is: the log has lost its end, or is another one.
            let error = OrderError::Forked(format!(
                "it has {length} records, and {position} were read from it before"
            ));
            return futures::stream::once(async { Err(error) }).boxed();
        }
        let reading = (self.clone(), position);
        futures::stream::try_unfold(reading, |(mut log, position)| async move {
            let length = log
                .length
                .wait_for(|length| *length > position)
                .await
                .map(|length| *length)
                .map_err(|_| stopped())?;
            let last = length.min(position + READ_MAX);
            let mut locations = log.index.locked()[position as usize..last as usize].to_vec();
            let mut bytes = 0;
            let fitting = locations.iter().take_while(|location| {
                let fits = bytes < READ_BYTES_MAX;
                bytes += u64::from(location.len);
                fits
            });
            locations.truncate(fitting.count());
            let end = position + locations.len() as u64;
            let reader = log.reader.clone();
            let read = move || {
                (position..)
                    .zip(locations)
                    .map(|(position, location)| read_record(&reader, position, location))
                    .collect::<Result<Vec<_>, _>>()
            };
            // What was just written is in memory; a host that catches up may wait for the disk.
            let records = if bytes > READ_INLINE_BYTES_MAX {
                tokio::task::spawn_blocking(read)
                    .await
                    .map_err(|_| stopped())??
            } else {
                read()?
            };
            Ok(Some((records, (log, end))))
        })
        .boxed()
    }
}

fn read_record(reader: &Reader, position: u64, location: Location) -> Result<Record, OrderError> {
    let bytes = reader.read(location).map_err(storage)?;
    Record::from_file(position, &bytes)
        .ok_or_else(|| OrderError::Storage(format!("record {position} is not a record")))
}

fn storage(error: JournalError) -> OrderError {
    OrderError::Storage(error.to_string())
}

fn stopped() -> OrderError {
    OrderError::Storage(
        "it is closed since a write failed: when the disk is mended, start its host again"
            .to_owned(),
    )
}

/// The thread that writes.
struct Writer {
    journal: Journal,
    reader: Reader,
    chain: Chain,
    cutter: Cutter,
    index: Arc<Index>,
    length: watch::Sender<u64>,
    waiting: Receiver<Work>,
    /// Whether the last write succeeded.
    writes: bool,
}

impl Writer {
    fn run(mut self) {
        let mut last_arrival: Option<Instant> = None;
        // When the open block got its first envelope; a block left open by a restart is cut soon.
        let mut opened = (self.cutter.open() > 0).then(Instant::now);
        loop {
            let first = match opened {
                None => match self.waiting.recv() {
                    Ok(first) => Some(first),
                    Err(_) => return,
                },
                Some(since) => {
                    let idle_at = last_arrival.unwrap_or(since) + IDLE;
                    let deadline = idle_at.min(since + OPEN_MAX);
                    match self
                        .waiting
                        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                    {
                        Ok(first) => Some(first),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            let now = Instant::now();
            let idle = last_arrival.is_none_or(|last| now.duration_since(last) >= IDLE);
            if matches!(first, Some(Work::Append(_))) && !idle {
                std::thread::sleep(GATHER);
            }
            let mut waiting = Vec::new();
            let mut resumed = None;
            for work in first
                .into_iter()
                .chain(self.waiting.try_iter().take(WRITE_MAX))
            {
                match work {
                    Work::Append(append) => waiting.push(append),
                    Work::Resume(cutter) => resumed = Some(cutter),
                }
            }
            let number = self.cutter.number();
            if let Some(cutter) = resumed {
                if self.resume(cutter).is_err() {
                    // As after a failed write.
                    return;
                }
                // Who only told something is no envelope that finds the line idle.
                if waiting.is_empty() {
                    opened = (self.cutter.open() > 0).then(|| opened.unwrap_or(now));
                    continue;
                }
            }
            let overdue = opened.is_some_and(|since| now >= since + OPEN_MAX);
            let cut_now = waiting.is_empty() || overdue || (idle && opened.is_none());
            if !waiting.is_empty() {
                last_arrival = Some(now);
            }
            let result = self.write(&waiting, cut_now);
            for waiting in waiting {
                // The client may have gone; the envelope is in the log all the same.
                let _ = waiting.done.send(result.clone());
            }
            let writes = result.is_ok();
            if let Err(error) = result {
                // Whatever else stands in the way now is tried again before the next write.
                if let Err(lasting @ JournalError::Poisoned { .. }) = self.journal.take_back() {
                    // What is on disk is not known, so nothing may be acknowledged any more: the log
                    // stays closed until the process is started again and has looked.
                    tracing::error!(%error, %lasting, "the ordering log is closed: when the disk is mended, start the host again");
                    return;
                }
                if self.writes {
                    tracing::error!(%error, "the ordering log refuses transactions until it can be written again");
                }
                std::thread::sleep(AFTER_FAILURE);
            } else if !self.writes {
                tracing::warn!("the ordering log takes transactions again");
            }
            self.writes = writes;
            let same_block = self.cutter.number() == number;
            opened = (self.cutter.open() > 0).then(|| opened.filter(|_| same_block).unwrap_or(now));
        }
    }

    /// Goes on with another cutter, from its place to the end of the log.
    fn resume(&mut self, mut cutter: Cutter) -> Result<(), OrderError> {
        let start = cutter.position().next;
        let locations: Vec<Location> = {
            let index = self.index.locked();
            let from = usize::try_from(start).unwrap_or(usize::MAX);
            index.get(from..).unwrap_or_default().to_vec()
        };
        for (position, location) in (start..).zip(locations) {
            cutter.push(&read_record(&self.reader, position, location)?);
        }
        self.cutter = cutter;
        Ok(())
    }

    /// Writes all of it or, when that fails, leaves this as it was; the journal then has to be told.
    fn write(&mut self, waiting: &[Waiting], cut: bool) -> Result<(), OrderError> {
        if !self.writes {
            self.journal.take_back().map_err(storage)?;
        }
        let before = (self.chain, self.cutter.clone());
        let written = self.try_write(waiting, cut);
        if written.is_err() {
            (self.chain, self.cutter) = before;
        }
        written
    }

    fn try_write(&mut self, waiting: &[Waiting], cut: bool) -> Result<(), OrderError> {
        let mut locations = Vec::with_capacity(waiting.len() + 1);
        for waiting in waiting {
            locations.push(self.append(Content::Envelope(waiting.envelope.clone()))?);
        }
        if cut && self.cutter.open() > 0 {
            locations.push(self.append(Content::Cut(self.cutter.number()))?);
        }
        self.journal.sync().map_err(storage)?;
        let length = {
            let mut index = self.index.locked();
            index.extend(locations);
            index.len() as u64
        };
        self.length.send_replace(length);
        Ok(())
    }

    fn append(&mut self, content: Content) -> Result<Location, OrderError> {
        let record = self.chain.extend(content);
        let (head, body) = record.file_parts();
        let location = self
            .journal
            .append_parts(&[&head, &body])
            .map_err(storage)?;
        self.cutter.push(&record);
        Ok(location)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        count_max: 10,
        bytes_max: 1 << 20,
    };

    async fn batches(log: &EmbeddedLog, count: usize) -> Vec<crate::Batch> {
        let mut chain = Chain::default();
        let mut cutter = Cutter::new(LIMITS, 1, Position::default());
        let mut stream = log.read(0);
        let mut batches = Vec::new();
        while batches.len() < count {
            for record in stream.next().await.unwrap().unwrap() {
                chain.check(&record).unwrap();
                batches.extend(cutter.push(&record));
            }
        }
        batches
    }

    #[tokio::test]
    async fn an_idle_line_is_cut_at_once_and_a_restart_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = EmbeddedLog::open(dir.path(), LIMITS).unwrap();
        log.append(Bytes::from_static(b"one")).await.unwrap();
        // The cut went to disk with the envelope: it is there once append has returned.
        assert_eq!(log.length(), 2);
        assert_eq!(batches(&log, 1).await[0].envelopes, ["one"]);
        drop(log);

        let (log, torn) = open_when_released(dir.path()).await;
        assert!(torn.is_none());
        log.append(Bytes::from_static(b"two")).await.unwrap();
        let batches = batches(&log, 2).await;
        assert_eq!(batches[1].number, 2);
        assert_eq!(batches[1].envelopes, ["two"]);
    }

    #[tokio::test]
    async fn under_load_every_envelope_is_cut_into_a_block() {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = EmbeddedLog::open(dir.path(), LIMITS).unwrap();
        let appends = (0..95u8).map(|n| log.append(Bytes::from(vec![n])));
        for result in futures::future::join_all(appends).await {
            result.unwrap();
        }
        let mut found = 0;
        let mut blocks = 10;
        while found < 95 {
            found = batches(&log, blocks)
                .await
                .iter()
                .map(|b| b.envelopes.len())
                .sum();
            blocks += 1;
        }
        assert_eq!(found, 95);
    }

    #[tokio::test]
    async fn a_copy_is_the_log_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = EmbeddedLog::open(&dir.path().join("log"), LIMITS).unwrap();
        log.append(Bytes::from_static(b"one")).await.unwrap();
        let at_copy = batches(&log, 1).await.remove(0);
        let copy = dir.path().join("copy");
        let all = |_, _| Ok::<(), OrderError>(());
        assert_eq!(log.copy(&copy, all).unwrap(), 2);
        assert!(!copy.join("lock").exists());
        log.append(Bytes::from_static(b"two")).await.unwrap();
        let later = batches(&log, 2).await.remove(1);
        assert!(matches!(log.copy(&copy, all), Err(OrderError::Storage(_))));

        let (copied, cut) = EmbeddedLog::open(&copy, LIMITS).unwrap();
        assert!(cut.is_none());
        assert_eq!(batches(&copied, 1).await[0], at_copy);
        for (position, on_log, on_copy) in [
            (Position::default(), true, true),
            (at_copy.end, true, true),
            (later.end, true, false),
            (
                Position {
                    chain: [7; 32],
                    ..at_copy.end
                },
                false,
                false,
            ),
            (
                Position {
                    chain: [7; 32],
                    next: 0,
                },
                false,
                false,
            ),
        ] {
            assert_eq!(log.holds(position).unwrap(), on_log, "{position:?}");
            assert_eq!(copied.holds(position).unwrap(), on_copy, "{position:?}");
        }
    }

    #[tokio::test]
    async fn an_envelope_that_is_too_large_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = EmbeddedLog::open(dir.path(), LIMITS).unwrap();
        let error = log
            .append(vec![0; ENVELOPE_BYTES_MAX + 1].into())
            .await
            .unwrap_err();
        assert!(matches!(error, OrderError::Refused(_)));
        assert_eq!(log.length(), 0);
    }

    /// The writer's thread lets go of the files a moment after the last handle is dropped.
    async fn open_when_released(dir: &Path) -> (EmbeddedLog, Option<TornTail>) {
        loop {
            match EmbeddedLog::open(dir, LIMITS) {
                Ok(opened) => return opened,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}
