//! Cuts blocks from a log: a pure state machine, the same for every engine and every host.

use bytes::Bytes;

use crate::record::{Content, Position, Record};

/// When a block is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most envelopes in a block.
    pub count_max: usize,
    /// A block is closed before an envelope that would make it larger than this, in bytes of
    /// envelopes; a single larger envelope has a block of its own.
    pub bytes_max: usize,
}

/// The content of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Number of the block.
    pub number: u64,
    /// Encoded envelopes, at least one.
    pub envelopes: Vec<Bytes>,
    /// The point in the log from which the next block is cut. A cutter that starts there goes on
    /// exactly as this one does.
    pub end: Position,
}

impl Batch {
    /// Whether it is a configuration, which is alone in its block.
    pub fn is_config(&self) -> bool {
        self.envelopes.first().is_some_and(is_config)
    }
}

/// Whether an encoded envelope says that it is a configuration; nothing of it is checked.
pub fn is_config(envelope: &Bytes) -> bool {
    cordon_wire::transaction::header_type(envelope) == Some(cordon_wire::proposal::CONFIG)
}

/// Collects the open block.
#[derive(Debug, Clone)]
pub struct Cutter {
    limits: BatchLimits,
    number: u64,
    open: Vec<Bytes>,
    open_bytes: usize,
    position: Position,
}

impl Cutter {
    /// A cutter whose next block is `number`, cut from the records after `position`.
    pub fn new(limits: BatchLimits, number: u64, position: Position) -> Self {
        Self {
            limits,
            number,
            open: Vec::new(),
            open_bytes: 0,
            position,
        }
    }

    /// Cuts by other limits from the next record on.
    pub fn set_limits(&mut self, limits: BatchLimits) {
        self.limits = limits;
    }

    /// Number of the open block.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The point after the last record that was pushed.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Envelopes in the open block.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Takes the next record; returns the blocks that it closed, at most two.
    pub fn push(&mut self, record: &Record) -> Vec<Batch> {
        let mut closed = Vec::new();
        let after = Position {
            next: record.position + 1,
            chain: record.chain,
        };
        match &record.content {
            // Alone, as in Fabric: what is around it is judged by one configuration each.
            Content::Envelope(envelope) if is_config(envelope) => {
                if !self.open.is_empty() {
                    closed.push(self.close());
                }
                self.open.push(envelope.clone());
                self.position = after;
                closed.push(self.close());
            }
            Content::Envelope(envelope) => {
                if !self.open.is_empty()
                    && self.open_bytes.saturating_add(envelope.len()) > self.limits.bytes_max
                {
                    closed.push(self.close());
                }
                self.open_bytes += envelope.len();
                self.open.push(envelope.clone());
                self.position = after;
                if self.open.len() >= self.limits.count_max
                    || self.open_bytes >= self.limits.bytes_max
                {
                    closed.push(self.close());
                }
            }
            Content::Cut(number) => {
                self.position = after;
                // A cut for a block that is closed already, or that would be empty, says nothing.
                if *number == self.number && !self.open.is_empty() {
                    closed.push(self.close());
                }
            }
        }
        closed
    }

    fn close(&mut self) -> Batch {
        let batch = Batch {
            number: self.number,
            envelopes: std::mem::take(&mut self.open),
            end: self.position,
        };
        self.number += 1;
        self.open_bytes = 0;
        batch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Chain;

    fn limits() -> BatchLimits {
        BatchLimits {
            count_max: 4,
            bytes_max: 100,
        }
    }

    fn any_log() -> impl Strategy<Value = Vec<Record>> {
        let content = prop_oneof![
            4 => (0..150usize).prop_map(|len| Content::Envelope(vec![7; len].into())),
            1 => (0..12u64).prop_map(Content::Cut),
        ];
        proptest::collection::vec(content, 0..60).prop_map(|contents| {
            let mut chain = Chain::default();
            contents
                .into_iter()
                .map(|content| chain.extend(content))
                .collect()
        })
    }

    fn cut(cutter: &mut Cutter, records: &[Record]) -> Vec<Batch> {
        records
            .iter()
            .flat_map(|record| cutter.push(record))
            .collect()
    }

    proptest! {
        #[test]
        fn every_envelope_is_in_one_block_in_order(log in any_log()) {
            let mut cutter = Cutter::new(limits(), 1, Position::default());
            let batches = cut(&mut cutter, &log);
            let mut cut_envelopes: Vec<Bytes> = Vec::new();
            for (index, batch) in batches.iter().enumerate() {
                prop_assert_eq!(batch.number, index as u64 + 1);
                prop_assert!(!batch.envelopes.is_empty());
                prop_assert!(batch.envelopes.len() <= 4);
                let bytes: usize = batch.envelopes.iter().map(Bytes::len).sum();
                prop_assert!(bytes <= 100 || batch.envelopes.len() == 1);
                cut_envelopes.extend(batch.envelopes.iter().cloned());
            }
            cut_envelopes.extend(cutter.open.iter().cloned());
            let all: Vec<Bytes> = log.iter().filter_map(|record| match &record.content {
                Content::Envelope(envelope) => Some(envelope.clone()),
                Content::Cut(_) => None,
            }).collect();
            prop_assert_eq!(cut_envelopes, all);
        }

        #[test]
        fn a_cutter_started_after_any_block_goes_on_the_same(log in any_log()) {
            let batches = cut(&mut Cutter::new(limits(), 1, Position::default()), &log);
            for (index, batch) in batches.iter().enumerate() {
                let mut cutter = Cutter::new(limits(), batch.number + 1, batch.end);
                let rest = cut(&mut cutter, &log[batch.end.next as usize..]);
                prop_assert_eq!(&rest[..], &batches[index + 1..]);
            }
        }

        #[test]
        fn a_chain_accepts_its_own_log_and_no_other(log in any_log(), at in any::<prop::sample::Index>()) {
            let mut chain = Chain::default();
            for record in &log {
                prop_assert!(chain.check(record).is_ok());
            }
            if !log.is_empty() {
                let at = at.index(log.len());
                let mut forged = log.clone();
                forged[at].content = Content::Cut(99);
                let mut chain = Chain::default();
                prop_assert!(forged.iter().any(|record| chain.check(record).is_err()));
                let mut chain = Chain::default();
                let mut gap = log.clone();
                gap.remove(at);
                prop_assert!(at == log.len() - 1 || gap.iter().any(|r| chain.check(r).is_err()));
            }
        }
    }

    #[test]
    fn positions_have_one_encoding() {
        let position = Position {
            next: 7,
            chain: [3; 32],
        };
        assert_eq!(Position::from_bytes(&position.to_bytes()), Some(position));
        assert_eq!(Position::from_bytes(&[]), Some(Position::default()));
        assert_eq!(Position::from_bytes(&[1; 39]), None);
        assert_eq!(Position::from_bytes(&[1; 41]), None);
    }
}
