//! Verifies a chain of blocks from the outside: every signature, endorsement policy, read and hash
//! again, from block 0, with nothing but the blocks. What an auditor does who trusts no host.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use cordon_identity::Membership;
use cordon_order::Position;
use cordon_types::{ChannelId, TxId, ValidationCode, Version};
use cordon_validate::{
    ChannelRules, Checked, Committed, Needs, StateKey, StateRange, check, claimed_tx_id,
    commit_hash, judge, needs, prepare, updates,
};
use cordon_wire::WireError;
use cordon_wire::block::CommittedBlock;

use crate::committer::{after, valid_config};
use crate::config::{ChannelConfig, ConfigError};
use crate::verifier::Verifier;

/// What is wrong with a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Block 0.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The block's own parts do not fit each other.
    #[error("block {number}: {source}")]
    Block {
        /// The block that was due.
        number: u64,
        /// What does not fit.
        source: WireError,
    },
    /// It does not continue the chain.
    #[error("block {number} does not continue the chain: its {what} differs")]
    Chain {
        /// The block that was due.
        number: u64,
        /// Number, previous hash or commit hash.
        what: &'static str,
    },
    /// A verdict is not the one that the rules give.
    #[error("block {number}, transaction {index}: the block says {stated}, the rules say {found}")]
    Verdict {
        /// The block.
        number: u64,
        /// Index of the transaction.
        index: usize,
        /// What stands in the block.
        stated: ValidationCode,
        /// What it must be.
        found: ValidationCode,
    },
    /// A mistake of this program.
    #[error("block {number}: {what}")]
    Internal {
        /// The block.
        number: u64,
        /// What happened.
        what: String,
    },
}

/// Where in the ordering log a block ends that was cut from there on; `None` when it does not say, or
/// its envelopes do not fit in between.
pub(crate) fn next_position(before: Position, block: &CommittedBlock) -> Option<Position> {
    let position = Position::from_bytes(&block.consenter_metadata)?;
    let least = before.next.checked_add(block.data.len() as u64)?;
    (position.next >= least).then_some(position)
}

/// What is in a block that is as it must be.
pub(crate) struct VerifiedBlock {
    pub(crate) checked: Vec<Checked>,
    /// One verdict for each.
    pub(crate) codes: Vec<ValidationCode>,
}

/// Follows a chain block by block, keeping versions and ids but no values.
pub struct ChainVerifier {
    id: ChannelId,
    rules: ChannelRules,
    membership: Arc<Membership>,
    sequence: u64,
    config: Arc<ChannelConfig>,
    /// The block that holds it.
    last_config: u64,
    height: u64,
    hash: [u8; 32],
    commit_hash: [u8; 32],
    position: Position,
    tx_ids: BTreeSet<TxId>,
    versions: BTreeMap<StateKey, Version>,
    transactions: u64,
}

impl ChainVerifier {
    /// Begins with block 0, which is trusted as it is: compare its hash with what the members have
    /// agreed on.
    ///
    /// # Errors
    /// [`VerifyError`] when it is not a channel's first block.
    pub fn new(genesis: &Bytes) -> Result<Self, VerifyError> {
        let config = ChannelConfig::from_genesis(genesis)?;
        let block = CommittedBlock::parse(genesis)
            .map_err(|source| VerifyError::Block { number: 0, source })?;
        config.check()?;
        Ok(Self {
            id: config.id()?,
            rules: config.rules()?,
            membership: Arc::new(config.membership(Arc::default())?),
            sequence: 0,
            config: Arc::new(config),
            last_config: 0,
            height: 1,
            hash: block.hash(),
            commit_hash: block.commit_hash,
            position: Position::default(),
            tx_ids: BTreeSet::new(),
            versions: BTreeMap::new(),
            transactions: 0,
        })
    }

    /// Number of blocks verified.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Number of transactions verified, whatever their verdict; block 0's is not counted.
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Header hash of the last block verified.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// State digest after the last block verified.
    pub fn state_digest(&self) -> [u8; 32] {
        self.commit_hash
    }

    /// Verifies the next block.
    ///
    /// # Errors
    /// [`VerifyError`] for the first thing that is not as it must be; the chain is good up to
    /// [`ChainVerifier::height`].
    pub fn next(&mut self, bytes: &Bytes) -> Result<(), VerifyError> {
        self.next_block(bytes).map(drop)
    }

    /// The same; the block that is verified.
    pub(crate) fn next_block(&mut self, bytes: &Bytes) -> Result<VerifiedBlock, VerifyError> {
        let number = self.height;
        let chain = |what| VerifyError::Chain { number, what };
        let block =
            CommittedBlock::parse(bytes).map_err(|source| VerifyError::Block { number, source })?;
        if block.header.number != number {
            return Err(chain("number"));
        }
        if block.header.previous_hash != self.hash.as_slice() {
            return Err(chain("previous hash"));
        }
        let position = next_position(self.position, &block);
        let position = position.ok_or_else(|| chain("place in the ordering log"))?;
        let verifier = Verifier {
            membership: &self.membership,
            sequence: self.sequence,
            config: Arc::clone(&self.config),
        };
        let checked: Vec<Checked> = block
            .data
            .iter()
            .map(|envelope| check(prepare(envelope, &self.id), &verifier, &self.rules))
            .collect();
        let verdicts = judge(number, &checked, &self.load(needs(&checked))).map_err(|error| {
            VerifyError::Internal {
                number,
                what: error.to_string(),
            }
        })?;
        for (index, (verdict, &stated)) in verdicts.iter().zip(&block.codes).enumerate() {
            let found = verdict.code;
            if found != stated {
                return Err(VerifyError::Verdict {
                    number,
                    index,
                    stated,
                    found,
                });
            }
        }
        let hash = block.hash();
        let changes = updates(number, &checked, &verdicts);
        if commit_hash(self.commit_hash, hash, &block.codes, changes) != block.commit_hash {
            return Err(chain("commit hash"));
        }

        let internal = |what| VerifyError::Internal { number, what };
        if valid_config(&checked, &block.codes).is_some() {
            self.last_config = number;
        }
        let changed = after(self.sequence, &self.config, &checked, &block.codes);
        if let Some((sequence, config)) = changed.map_err(internal)? {
            self.sequence = sequence;
            self.rules = config.rules()?;
            let signatures = Arc::clone(self.membership.signatures());
            self.membership = Arc::new(config.membership(signatures)?);
            self.config = Arc::new(config);
        }
        if block.last_config != self.last_config {
            return Err(chain("last configuration"));
        }
        for (checked, &code) in checked.iter().zip(&block.codes) {
            self.tx_ids.extend(claimed_tx_id(checked.prepared(), code));
        }
        for update in updates(number, &checked, &verdicts) {
            let key = StateKey {
                contract: update.contract.clone(),
                key: update.key.to_owned(),
            };
            match update.value {
                Some(_) => self.versions.insert(key, update.version),
                None => self.versions.remove(&key),
            };
        }
        self.transactions += block.data.len() as u64;
        self.height += 1;
        self.hash = hash;
        self.position = position;
        self.commit_hash = block.commit_hash;
        Ok(VerifiedBlock {
            checked,
            codes: block.codes,
        })
    }

    pub(crate) fn id(&self) -> &ChannelId {
        &self.id
    }

    pub(crate) fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }

    /// The configuration in force after the last block verified.
    pub(crate) fn config(&self) -> &Arc<ChannelConfig> {
        &self.config
    }

    pub(crate) fn load(&self, needs: Needs) -> Committed {
        let tx_ids = needs
            .tx_ids
            .into_iter()
            .filter(|id| self.tx_ids.contains(id))
            .collect();
        let versions = needs
            .keys
            .into_iter()
            .map(|key| {
                let version = self.versions.get(&key).copied();
                (key, version)
            })
            .collect();
        let ranges = needs
            .ranges
            .into_iter()
            .map(|range| {
                let found = self.range(&range);
                (range, found)
            })
            .collect();
        Committed {
            tx_ids,
            versions,
            ranges,
        }
    }

    fn range(&self, range: &StateRange) -> Vec<(String, Version)> {
        let start = StateKey {
            contract: range.contract.clone(),
            key: range.start.clone(),
        };
        self.versions
            .range((Bound::Included(start), Bound::Unbounded))
            .take_while(|(key, _)| key.contract == range.contract && range.contains(&key.key))
            .map(|(key, version)| (key.key.clone(), *version))
            .collect()
    }
}
