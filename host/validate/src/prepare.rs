//! Step 1: what the bytes of an envelope alone tell.

use bytes::Bytes;
use cordon_types::{ChannelId, TxId, ValidationCode};
use cordon_wire::WireError;
use cordon_wire::config::{ConfigTransaction, first_document};
use cordon_wire::proposal::CONFIG;
use cordon_wire::transaction::{Envelope, Transaction, TransactionError};

use crate::{Reason, Verdict};

/// An envelope taken apart.
pub enum Prepared {
    /// An endorsed transaction of the right shape, for this channel, with a timestamp.
    Transaction(Box<Transaction>),
    /// The first configuration of this channel. It is valid as the first transaction of block 0,
    /// where the channel begins and no rule exists yet that it could be checked against; a host that
    /// joins trusts that block by its hash. Anywhere else it is `INVALID_CONFIG_TRANSACTION`.
    FirstConfig,
    /// A later configuration, of the right shape, with a timestamp.
    Config(Box<ConfigTransaction>),
    /// It is neither, and this is its verdict.
    Refused(Verdict),
}

/// Takes an encoded envelope apart for the ledger of `channel`. Never fails: what is wrong with the
/// envelope becomes its verdict.
pub fn prepare(envelope_bytes: &Bytes, channel: &ChannelId) -> Prepared {
    match take_apart(envelope_bytes, channel) {
        Ok(prepared) => prepared,
        Err(verdict) => Prepared::Refused(verdict),
    }
}

fn take_apart(envelope_bytes: &Bytes, channel: &ChannelId) -> Result<Prepared, Verdict> {
    let envelope = Envelope::parse(envelope_bytes).map_err(shape)?;
    if envelope.header.channel_header.r#type == CONFIG {
        check_channel(&envelope.header.channel_header.channel_id, channel)?;
        let first = first_document(&envelope.data).map_err(|cause| {
            shape(TransactionError {
                code: ValidationCode::InvalidConfigTransaction,
                cause,
            })
        })?;
        return match first {
            Some(_) => Ok(Prepared::FirstConfig),
            None => ConfigTransaction::parse(envelope)
                .map(|config| Prepared::Config(Box::new(config)))
                .map_err(shape),
        };
    }
    let transaction = Transaction::parse(envelope).map_err(shape)?;
    check_channel(transaction.channel.as_str(), channel)?;
    if transaction.header.channel_header.timestamp.is_none() {
        // Without it there is no time to judge certificates at.
        return Err(shape(TransactionError {
            code: ValidationCode::BadChannelHeader,
            cause: WireError::Missing { what: "timestamp" },
        }));
    }
    Ok(Prepared::Transaction(Box::new(transaction)))
}

fn check_channel(named: &str, channel: &ChannelId) -> Result<(), Verdict> {
    if named == channel.as_str() {
        return Ok(());
    }
    Err(Verdict::refused(
        ValidationCode::TargetChainNotFound,
        Reason::OtherChannel,
    ))
}

fn shape(error: TransactionError) -> Verdict {
    Verdict::refused(error.code, Reason::Shape(error.cause))
}

/// The transaction id that an envelope with this verdict takes ([`Transaction::takes_id`]). Follows
/// from the block alone, so that an index can be rebuilt.
pub fn claimed_tx_id(prepared: &Prepared, code: ValidationCode) -> Option<TxId> {
    match prepared {
        Prepared::Transaction(transaction) => {
            Transaction::takes_id(code).then_some(transaction.tx_id)
        }
        Prepared::Config(config) => Transaction::takes_id(code).then_some(config.tx_id),
        Prepared::FirstConfig | Prepared::Refused(_) => None,
    }
}
