//! Fabric's system contract for ledger queries (`WIRE.md` section 15), called like any contract.

use bytes::Bytes;
use cordon_channel::Channel;
use cordon_endorse::check_creator;
use cordon_ledger::LedgerError;
use cordon_types::{TxId, status};
use cordon_wire::block::CommittedBlock;
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::{common, protos};
use cordon_wire::{decode, encode};

use super::{answer, refusal};
use crate::host::{Host, now};
use crate::status::Failure;

/// What answers whole transactions.
const BLOCK_QUERIES: [&str; 4] = [
    "GetBlockByNumber",
    "GetBlockByHash",
    "GetBlockByTxID",
    "GetTransactionByID",
];

/// Answers a call. A query that finds nothing or makes no sense is an answer with status 500.
pub(super) fn call(host: &Host, proposal: &Proposal) -> Result<protos::Response, Failure> {
    let text = |index: usize| {
        proposal
            .args
            .get(index)
            .and_then(|arg| std::str::from_utf8(arg).ok())
            .unwrap_or_default()
    };
    // The channel is the argument's; the proposal's own may be empty.
    let id = text(1);
    let header = &proposal.header;
    let door = host.door(id, &header.creator);
    let checked = check_creator(
        header,
        &proposal.signed_bytes,
        &proposal.signature,
        door.membership(),
        now(),
    )
    .map_err(|error| Failure::Refused(host.detail(error.to_string())))?;
    let (channel, current) = door.channel()?;
    if BLOCK_QUERIES.contains(&text(0)) && !current.may_read_blocks(&checked.identity) {
        let text = format!("only admins of its members may read blocks of channel {id}");
        return Ok(refusal(status::FORBIDDEN, text));
    }
    let arg = proposal.args.get(2).cloned().unwrap_or_default();
    let found = match text(0) {
        "GetChainInfo" => Ok(Ok(chain_info(channel))),
        "GetBlockByNumber" => by_number(channel, text(2)),
        "GetBlockByHash" => by_hash(channel, &arg),
        "GetBlockByTxID" => by_tx_id(channel, text(2)),
        "GetTransactionByID" => transaction(channel, text(2)),
        other => {
            let shown: String = other.chars().take(64).collect();
            Ok(Err(format!("qscc has no function {shown}")))
        }
    };
    match found {
        Ok(Ok(payload)) => Ok(answer(payload)),
        Ok(Err(message)) => Ok(refusal(status::FAULT, message)),
        Err(error) => Err(host.broken(&error)),
    }
}

/// The outer error is this host's, the inner one is the answer.
type Answer = Result<Result<Bytes, String>, LedgerError>;

fn chain_info(channel: &Channel) -> Bytes {
    let info = channel.ledger().info();
    encode(&common::BlockchainInfo {
        height: info.height,
        current_block_hash: info.current_hash,
        previous_block_hash: info.previous_hash,
    })
}

fn by_number(channel: &Channel, number: &str) -> Answer {
    let Ok(number) = number.parse::<u64>() else {
        return Ok(Err("the block number is not a number".to_owned()));
    };
    // Fabric's word for the last one.
    let number = if number == u64::MAX {
        channel.ledger().height() - 1
    } else {
        number
    };
    block(channel, number)
}

fn block(channel: &Channel, number: u64) -> Answer {
    Ok(channel
        .ledger()
        .block(number)?
        .ok_or_else(|| format!("there is no block {number}")))
}

fn by_hash(channel: &Channel, hash: &[u8]) -> Answer {
    match channel.ledger().block_number_by_hash(hash)? {
        Some(number) => block(channel, number),
        None => Ok(Err("there is no block with this hash".to_owned())),
    }
}

fn by_tx_id(channel: &Channel, tx_id: &str) -> Answer {
    let Ok(tx_id) = tx_id.parse::<TxId>() else {
        return Ok(Err(
            "the transaction id is not 64 lower-case hex digits".to_owned()
        ));
    };
    match channel.ledger().transaction(&tx_id)? {
        Some(found) => block(channel, found.block),
        None => Ok(Err(format!("there is no transaction {tx_id}"))),
    }
}

fn transaction(channel: &Channel, tx_id: &str) -> Answer {
    let Ok(id) = tx_id.parse::<TxId>() else {
        return Ok(Err(
            "the transaction id is not 64 lower-case hex digits".to_owned()
        ));
    };
    let missing = || Ok(Err(format!("there is no transaction {id}")));
    let Some(found) = channel.ledger().transaction(&id)? else {
        return missing();
    };
    let Some(bytes) = channel.ledger().block(found.block)? else {
        return missing();
    };
    let envelope = CommittedBlock::parse(&bytes)
        .ok()
        .and_then(|block| block.data.get(found.index as usize).cloned())
        .and_then(|envelope| decode::<common::Envelope>(&envelope, "envelope").ok());
    let Some(envelope) = envelope else {
        return missing();
    };
    Ok(Ok(encode(&protos::ProcessedTransaction {
        transaction_envelope: Some(envelope),
        validation_code: i32::from(found.code as u8),
    })))
}
