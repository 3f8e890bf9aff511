//! Blocks that were copied, not cut here: that they are one chain, that their verdicts and changes
//! are those that their commit hashes were made of, and that each configuration was approved by the
//! members before it. No transaction's signature or endorsement policy is looked at: a host that signed
//! where the chain ends vouches for the verdicts. [`ChainVerifier`](crate::ChainVerifier) trusts
//! nobody, and takes as long as that takes.

use std::sync::Arc;

use bytes::Bytes;
use cordon_identity::Membership;
use cordon_order::Position;
use cordon_types::{ChannelId, ValidationCode, Version};
use cordon_validate::{ChannelRules, Prepared, StateUpdate, check, commit_hash, defined, prepare};
use cordon_wire::block::CommittedBlock;

use crate::config::{ChannelConfig, ConfigError};
use crate::verifier::Verifier;
use crate::verify::{VerifyError, next_position};

/// Follows a chain of copied blocks. Keeps nothing of what is in them but the configuration.
pub struct CopiedChain {
    id: ChannelId,
    rules: ChannelRules,
    membership: Membership,
    sequence: u64,
    config: Arc<ChannelConfig>,
    /// The block that holds it.
    last_config: u64,
    height: u64,
    hash: [u8; 32],
    commit_hash: [u8; 32],
    position: Position,
}

impl CopiedChain {
    /// Begins with block 0, which is trusted as it is.
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
            membership: config.membership(Arc::default())?,
            sequence: 0,
            config: Arc::new(config),
            last_config: 0,
            height: 1,
            hash: block.hash(),
            commit_hash: block.commit_hash,
            position: Position::default(),
        })
    }

    /// The channel.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// Number of blocks followed.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Header hash of the last one.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// State digest after the last one.
    pub fn state_digest(&self) -> [u8; 32] {
        self.commit_hash
    }

    /// Where in the ordering log the last one ends.
    pub fn log_position(&self) -> Bytes {
        self.position.to_bytes()
    }

    /// The configuration in force after the last one.
    pub fn config(&self) -> &Arc<ChannelConfig> {
        &self.config
    }

    /// The members by that configuration.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Follows the next block.
    ///
    /// # Errors
    /// [`VerifyError`] for the first thing that is not as it must be.
    pub fn next(&mut self, bytes: &Bytes) -> Result<(), VerifyError> {
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
        let prepared: Vec<Option<Prepared>> = block
            .data
            .iter()
            .zip(&block.codes)
            .map(|(envelope, code)| {
                (*code == ValidationCode::Valid).then(|| prepare(envelope, &self.id))
            })
            .collect();
        let hash = block.hash();
        let changes = updates(number, &prepared);
        if commit_hash(self.commit_hash, hash, &block.codes, changes) != block.commit_hash {
            return Err(chain("commit hash"));
        }
        for (index, prepared) in prepared.into_iter().enumerate() {
            self.accept(number, index, prepared)?;
        }
        if block.last_config != self.last_config {
            return Err(chain("last configuration"));
        }
        self.height += 1;
        self.position = position;
        self.hash = hash;
        self.commit_hash = block.commit_hash;
        Ok(())
    }

    /// What the block calls valid must be something that can be; a configuration is judged.
    fn accept(
        &mut self,
        number: u64,
        index: usize,
        prepared: Option<Prepared>,
    ) -> Result<(), VerifyError> {
        let stated = ValidationCode::Valid;
        let found = match prepared {
            None => return Ok(()),
            Some(Prepared::Transaction(transaction)) => {
                if let Some((contract, definition)) = defined(&transaction) {
                    let mut next = ChannelConfig::clone(&self.config);
                    next.define(&contract, &definition);
                    self.put(next)?;
                }
                return Ok(());
            }
            Some(Prepared::Refused(verdict)) => verdict.code,
            Some(prepared @ (Prepared::FirstConfig | Prepared::Config(_))) => {
                let verifier = Verifier {
                    membership: &self.membership,
                    sequence: self.sequence,
                    config: Arc::clone(&self.config),
                };
                let checked = check(prepared, &verifier, &self.rules);
                match (checked.refusal(), checked.config()) {
                    (Some(verdict), _) => verdict.code,
                    (None, None) => ValidationCode::InvalidConfigTransaction,
                    (None, Some(config)) => {
                        let next = self.config.followed_by(&config.document);
                        let next = next.map_err(|what| VerifyError::Internal { number, what })?;
                        self.sequence = config.sequence;
                        self.put(next)?;
                        self.last_config = number;
                        return Ok(());
                    }
                }
            }
        };
        Err(VerifyError::Verdict {
            number,
            index,
            stated,
            found,
        })
    }
}

impl CopiedChain {
    fn put(&mut self, config: ChannelConfig) -> Result<(), ConfigError> {
        self.rules = config.rules()?;
        self.membership = config.membership(Arc::clone(self.membership.signatures()))?;
        self.config = Arc::new(config);
        Ok(())
    }
}

/// The changes of the transactions that a block calls valid, in its order.
fn updates(number: u64, valid: &[Option<Prepared>]) -> impl Iterator<Item = StateUpdate<'_>> {
    let transactions = (0u32..).zip(valid).filter_map(|(tx, prepared)| {
        let Some(Prepared::Transaction(transaction)) = prepared else {
            return None;
        };
        Some((tx, transaction))
    });
    transactions.flat_map(move |(tx, transaction)| {
        let version = Version { block: number, tx };
        transaction.rw_set.contracts.iter().flat_map(move |set| {
            set.writes.iter().map(move |write| StateUpdate {
                contract: &set.contract,
                key: &write.key,
                value: write.value.as_ref(),
                version,
            })
        })
    })
}
