//! The task that follows the ordering log: cut, validate, commit, tell.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_ledger::{CommitBlock, CommitTransaction};
use cordon_order::{Batch, Chain, Cutter, OrderError, Record};
use cordon_types::{ContractId, TxId, ValidationCode};
use cordon_validate::{
    Checked, Prepared, StateKey, check, claimed_tx_id, commit_hash, defined, judge, needs, prepare,
    updates,
};
use cordon_wire::config::ConfigTransaction;
use cordon_wire::{block, encode};
use futures::StreamExt as _;

use crate::channel::{Channel, Current};
use crate::commits::Committed;
use crate::config::ChannelConfig;
use crate::error::ChannelError;
use crate::trace;
use crate::verifier::Verifier;

/// Pause before a log that cannot be reached is asked again.
const RETRY: Duration = Duration::from_millis(200);

impl Channel {
    /// Follows the ordering log until the channel cannot go on. A log that is not reachable is no
    /// reason to stop: it is asked again, for ever. Anything else stops the channel on this host
    /// and says why ([`Channel::stopped`]); what is committed stays readable.
    pub async fn run(self: Arc<Self>) {
        if let Err(error) = Arc::clone(&self).follow().await {
            tracing::error!(channel = %self.id, %error, "the channel has stopped on this host: when the cause is mended, start the host again");
            let told = match &error {
                ChannelError::NotMember { .. } | ChannelError::Order(OrderError::Forked(_)) => {
                    error.to_string()
                }
                _ => "its operator finds the cause in its log, or with cordon status".to_owned(),
            };
            *self.cause.lock() = Some(error.to_string());
            self.stopped.send_replace(Some(told));
        }
    }

    async fn follow(self: Arc<Self>) -> Result<(), ChannelError> {
        let mut replaced = self.log_changed.subscribe();
        loop {
            let mut follower = Follower::new(&self)?;
            replaced.mark_unchanged();
            let mut stream = self.log().read(follower.chain.position().next);
            loop {
                let records = tokio::select! {
                    records = stream.next() => records,
                    // It is read again from where it is now.
                    _ = replaced.changed() => break,
                };
                match records {
                    Some(Ok(records)) => {
                        if self.measures.reached() {
                            tracing::info!(channel = %self.id, "ordering is reachable");
                        }
                        self.take(&mut follower, &records).await?;
                    }
                    Some(Err(OrderError::Unavailable { address, reason })) => {
                        if self.measures.lost(&reason) {
                            tracing::warn!(channel = %self.id, %address, %reason, "ordering is not reachable");
                        }
                        break;
                    }
                    Some(Err(error)) => return Err(error.into()),
                    None => break,
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Commits the blocks that these records close.
    async fn take(
        self: &Arc<Self>,
        follower: &mut Follower,
        records: &[Record],
    ) -> Result<(), ChannelError> {
        let mut closed = Vec::new();
        for record in records {
            // Cheap, and most records close no block; committing is not.
            follower.chain.check(record)?;
            closed.extend(follower.cutter.push(record));
            // What comes after a configuration may be cut by other limits.
            if closed.last().is_some_and(Batch::is_config) {
                self.commit_all(std::mem::take(&mut closed)).await?;
                follower.cutter.set_limits(self.config().limits()?);
            }
        }
        if closed.is_empty() {
            return Ok(());
        }
        self.commit_all(closed).await
    }

    async fn commit_all(self: &Arc<Self>, batches: Vec<Batch>) -> Result<(), ChannelError> {
        let channel = Arc::clone(self);
        let work = move || {
            let mut batches = batches.into_iter();
            batches.try_for_each(|batch| channel.commit(batch))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| ChannelError::Internal(error.to_string()))?
    }

    /// Validates the block that `batch` makes, and commits it.
    fn commit(&self, batch: Batch) -> Result<(), ChannelError> {
        let Batch {
            number,
            envelopes,
            end,
        } = batch;
        let started = Instant::now();
        let current = self.current();
        let verifier = Verifier::new(&current);
        let prepared: Vec<Prepared> = envelopes
            .iter()
            .map(|envelope| prepare(envelope, &self.id))
            .collect();
        let claimed = prepared
            .iter()
            .filter_map(|prepared| claimed_tx_id(prepared, ValidationCode::Valid));
        let ids: Vec<TxId> = claimed.collect();
        let validating = trace::of_transactions(
            ids.iter(),
            |tx_id| tracing::info_span!("validate", channel = %self.id, %tx_id, block = number),
        );
        let checked: Vec<Checked> = prepared
            .into_iter()
            .map(|prepared| check(prepared, &verifier, &current.rules))
            .collect();
        let committed = self.load(&checked)?;
        let verdicts = judge(number, &checked, &committed)
            .map_err(|error| ChannelError::Internal(error.to_string()))?;
        let codes: Vec<ValidationCode> = verdicts.iter().map(|verdict| verdict.code).collect();
        drop(validating);
        self.measures.validate.observe(started.elapsed());

        let changed = current.after(&checked, &codes)?;
        let configured = valid_config(&checked, &codes).is_some();
        let info = self.ledger.info();
        let mut block = block::assemble(
            number,
            info.current_hash,
            envelopes,
            if configured { number } else { info.last_config },
            end.to_bytes(),
        );
        let header_hash = block::header_hash(&block.header.clone().unwrap_or_default());
        let hash = commit_hash(
            info.commit_hash,
            header_hash,
            &codes,
            updates(number, &checked, &verdicts),
        );
        block::set_verdicts(&mut block, &codes, hash);
        let bytes = encode(&block);

        let ids: Vec<_> = checked
            .iter()
            .zip(&codes)
            .map(|(checked, &code)| claimed_tx_id(checked.prepared(), code))
            .collect();
        for (index, (id, verdict)) in ids.iter().zip(&verdicts).enumerate() {
            if let Some(reason) = &verdict.reason {
                let (code, tx_id) = (verdict.code, id.map(|id| id.to_string()));
                tracing::info!(channel = %self.id, block = number, index, tx_id, %code, %reason, "not valid");
            }
        }
        let transactions = checked
            .into_iter()
            .zip(block.data.unwrap_or_default().data)
            .zip(codes.iter().zip(&ids))
            .map(|((checked, envelope), (&code, &tx_id))| {
                let contracts = match checked.into_prepared() {
                    Prepared::Transaction(transaction) => transaction.rw_set.contracts,
                    _ => Vec::new(),
                };
                CommitTransaction::new(envelope, code, tx_id, contracts)
            })
            .collect();
        let committing = trace::of_transactions(
            ids.iter().flatten(),
            |tx_id| tracing::info_span!("commit", channel = %self.id, %tx_id, block = number),
        );
        let times = self.ledger.commit(&CommitBlock::new(bytes, transactions))?;
        drop(committing);
        self.measures.write.observe(times.write);
        self.measures.state.observe(times.state);
        self.measures.committed(&codes);
        // Before anybody is told: who waits for it meets it.
        let followed = match changed {
            Some((sequence, config)) => self.configure(sequence, config),
            None => Ok(()),
        };
        tracing::debug!(channel = %self.id, block = number, transactions = codes.len(), "committed");
        let news = ids.iter().zip(&codes).filter_map(|(id, &code)| {
            id.map(|id| {
                (
                    id,
                    Committed {
                        block: number,
                        code,
                    },
                )
            })
        });
        self.commits.committed(number + 1, news);
        followed
    }

    /// What validation has to know of committed state.
    fn load(&self, checked: &[Checked]) -> Result<cordon_validate::Committed, ChannelError> {
        let needs = needs(checked);
        let mut tx_ids = BTreeSet::new();
        for tx_id in needs.tx_ids {
            if self.ledger.contains_transaction(&tx_id)? {
                tx_ids.insert(tx_id);
            }
        }
        let keys: Vec<(ContractId, String)> = needs
            .keys
            .iter()
            .map(|key| (key.contract.clone(), key.key.clone()))
            .collect();
        let versions = self.ledger.versions(&keys)?;
        let mut ranges = std::collections::BTreeMap::new();
        for range in needs.ranges {
            let found = self.ledger.range_versions(
                &range.contract,
                &range.start,
                &range.end,
                range.inclusive_end,
            )?;
            ranges.insert(range, found);
        }
        let versions = keys
            .into_iter()
            .map(|(contract, key)| StateKey { contract, key })
            .zip(versions)
            .collect();
        Ok(cordon_validate::Committed {
            tx_ids,
            versions,
            ranges,
        })
    }
}

impl Current {
    /// What is in force after a block with these transactions, if it changes: the configuration's
    /// number, and the document.
    fn after(
        &self,
        checked: &[Checked],
        codes: &[ValidationCode],
    ) -> Result<Option<(u64, ChannelConfig)>, ChannelError> {
        after(self.sequence, &self.config, checked, codes).map_err(ChannelError::Internal)
    }
}

/// What is in force after a block with these transactions, if it changes.
///
/// # Errors
/// A mistake of this program: what is valid can follow.
pub(crate) fn after(
    sequence: u64,
    config: &ChannelConfig,
    checked: &[Checked],
    codes: &[ValidationCode],
) -> Result<Option<(u64, ChannelConfig)>, String> {
    if let Some(transaction) = valid_config(checked, codes) {
        let next = config.followed_by(&transaction.document)?;
        return Ok(Some((transaction.sequence, next)));
    }
    let mut next: Option<ChannelConfig> = None;
    for (checked, code) in checked.iter().zip(codes) {
        let transaction = checked
            .transaction()
            .filter(|_| *code == ValidationCode::Valid);
        if let Some((contract, definition)) = transaction.and_then(defined) {
            let next = next.get_or_insert_with(|| config.clone());
            next.define(&contract, &definition);
        }
    }
    Ok(next.map(|next| (sequence, next)))
}

/// The configuration that takes effect with a block, if one does.
pub(crate) fn valid_config<'a>(
    checked: &'a [Checked],
    codes: &[ValidationCode],
) -> Option<&'a ConfigTransaction> {
    let mut valid = checked
        .iter()
        .zip(codes)
        .filter(|(_, code)| **code == ValidationCode::Valid);
    valid.find_map(|(checked, _)| checked.config())
}

/// Where in the log this host is.
struct Follower {
    chain: Chain,
    cutter: Cutter,
}

impl Follower {
    /// Continues after the last block on the ledger.
    fn new(channel: &Channel) -> Result<Self, ChannelError> {
        let (height, position) = channel.position()?;
        let limits = channel.config().limits()?;
        Ok(Self {
            chain: Chain::after(position),
            cutter: Cutter::new(limits, height, position),
        })
    }
}
