//! A block as it is committed: its bytes, and what was parsed of them already.

use bytes::Bytes;
use cordon_types::{ContractReadWriteSet, TxId, ValidationCode};
use cordon_wire::block::CommittedBlock;
use cordon_wire::config::ConfigTransaction;
use cordon_wire::proposal::{CONFIG, ENDORSER_TRANSACTION};
use cordon_wire::transaction::{Envelope, Transaction, TransactionError};

use crate::LedgerError;

/// A block with its verdicts, and its transactions.
#[derive(Clone)]
pub struct CommitBlock {
    pub(crate) bytes: Bytes,
    pub(crate) transactions: Vec<CommitTransaction>,
}

impl std::fmt::Debug for CommitBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitBlock")
            .field("bytes", &self.bytes.len())
            .field("transactions", &self.transactions.len())
            .finish()
    }
}

/// What the ledger derives from one transaction of a block.
#[derive(Clone)]
pub struct CommitTransaction {
    pub(crate) envelope: Bytes,
    pub(crate) code: ValidationCode,
    pub(crate) tx_id: Option<TxId>,
    pub(crate) writes: Vec<ContractReadWriteSet>,
}

impl std::fmt::Debug for CommitTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitTransaction")
            .field("envelope_bytes", &self.envelope.len())
            .field("code", &self.code)
            .field("tx_id", &self.tx_id)
            .finish_non_exhaustive()
    }
}

// === impl CommitBlock ===

impl CommitBlock {
    /// A block whose transactions were parsed before, to spare doing it twice. `bytes` is the
    /// encoded `common.Block` with verdicts and commit hash in its metadata; `transactions` are all
    /// of its envelopes, in order. [`Ledger::commit`](crate::Ledger::commit) checks that they fit.
    pub fn new(bytes: Bytes, transactions: Vec<CommitTransaction>) -> Self {
        Self {
            bytes,
            transactions,
        }
    }

    /// Parses an encoded block with its transactions.
    ///
    /// # Errors
    /// [`LedgerError::BadBlock`], [`LedgerError::BadTransaction`].
    pub fn parse(bytes: Bytes) -> Result<Self, LedgerError> {
        let block =
            CommittedBlock::parse(&bytes).map_err(|source| LedgerError::BadBlock { source })?;
        let transactions = parse_transactions(&block)?;
        Ok(Self {
            bytes,
            transactions,
        })
    }
}

/// Takes the transactions of `block` apart as far as the ledger needs them.
pub(crate) fn parse_transactions(
    block: &CommittedBlock,
) -> Result<Vec<CommitTransaction>, LedgerError> {
    (0u32..)
        .zip(block.data.iter().zip(&block.codes))
        .map(|(index, (envelope, &code))| {
            CommitTransaction::parse(envelope.clone(), code).map_err(|source| {
                LedgerError::BadTransaction {
                    number: block.header.number,
                    index,
                    source,
                }
            })
        })
        .collect()
}

// === impl CommitTransaction ===

impl CommitTransaction {
    /// A transaction that was parsed before. `envelope` is its encoded envelope (of any copy of the
    /// block); `tx_id` the id that it takes, if it takes one
    /// ([`Transaction::takes_id`]). `contracts` is its read-write set, with values that share the
    /// memory of `envelope`; it is ignored unless `code` is [`ValidationCode::Valid`], and empty for
    /// what is not an endorsed transaction.
    pub fn new(
        envelope: Bytes,
        code: ValidationCode,
        tx_id: Option<TxId>,
        contracts: Vec<ContractReadWriteSet>,
    ) -> Self {
        let writes = if code == ValidationCode::Valid {
            contracts
        } else {
            Vec::new()
        };
        Self {
            envelope,
            code,
            tx_id,
            writes,
        }
    }

    /// Parses an encoded envelope that got the verdict `code`.
    ///
    /// # Errors
    /// [`TransactionError`] when a valid endorsed transaction cannot be taken apart.
    pub fn parse(envelope: Bytes, code: ValidationCode) -> Result<Self, TransactionError> {
        let valid = code == ValidationCode::Valid;
        let parsed = match Envelope::parse(&envelope) {
            Ok(parsed) => parsed,
            Err(error) if valid => return Err(error),
            Err(_) => return Ok(Self::new(envelope, code, None, Vec::new())),
        };
        match parsed.header.channel_header.r#type {
            ENDORSER_TRANSACTION => {}
            CONFIG => {
                let config = ConfigTransaction::parse(parsed).ok();
                let tx_id = config.map(|config| config.tx_id);
                let tx_id = tx_id.filter(|_| Transaction::takes_id(code));
                return Ok(Self::new(envelope, code, tx_id, Vec::new()));
            }
            _ => return Ok(Self::new(envelope, code, None, Vec::new())),
        }
        match Transaction::parse(parsed) {
            Ok(transaction) => {
                let tx_id = Transaction::takes_id(code).then_some(transaction.tx_id);
                Ok(Self::new(
                    envelope,
                    code,
                    tx_id,
                    transaction.rw_set.contracts,
                ))
            }
            Err(error) if valid => Err(error),
            Err(_) => Ok(Self::new(envelope, code, None, Vec::new())),
        }
    }
}
