//! `cordon ledger`: look into a channel's ledger, through a host's `qscc`.

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use cordon_channel::ChainVerifier;
use cordon_client::{Call, Client, ClientError};
use cordon_types::{TxId, ValidationCode};
use cordon_wire::block::CommittedBlock;
use cordon_wire::config::ConfigTransaction;
use cordon_wire::proto::common::BlockchainInfo;
use cordon_wire::transaction::{Envelope, Transaction};
use cordon_wire::{Message as _, decode};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::output::Output;
use crate::replay::{self, ReplayArgs};
use crate::store::CallerArgs;

/// What to look at.
#[derive(Subcommand)]
pub(crate) enum LedgerCommand {
    /// Height, last block hash and state digest of the channel on the caller's host.
    Info(InfoArgs),
    /// One block: its hashes, and every transaction with its verdict.
    Block {
        #[command(flatten)]
        caller: CallerArgs,
        /// Number of the block; the last one if left out.
        number: Option<u64>,
    },
    /// One transaction: its block, verdict, endorsers and what it touched (never values).
    Tx {
        #[command(flatten)]
        caller: CallerArgs,
        /// The transaction's id, 64 hex digits.
        id: String,
    },
    /// Verify the whole chain of the caller's host: every hash, signature, endorsement policy and
    /// verdict again, from block 0. Trusts nothing that the host says but block 0.
    Verify(InfoArgs),
    /// Execute committed transactions again, on the state they were endorsed on and with the contracts
    /// of that time, and compare byte for byte. Blocks are verified first.
    ///
    /// A difference is shown as key, old, new, host call, values included. What cannot be executed
    /// again (a contract asked for transient values, or another channel) is counted by reason, and
    /// never as equal.
    Replay(ReplayArgs),
}

#[derive(Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    caller: CallerArgs,
}

pub(crate) async fn run(command: LedgerCommand, output: &Output) -> Result<()> {
    let caller = match &command {
        LedgerCommand::Replay(args) => return replay::run(args, output).await,
        LedgerCommand::Info(args) | LedgerCommand::Verify(args) => &args.caller,
        LedgerCommand::Block { caller, .. } | LedgerCommand::Tx { caller, .. } => caller,
    };
    look(&command, output)
        .await
        .map_err(|error| caller.explain(error))
}

async fn look(command: &LedgerCommand, output: &Output) -> Result<()> {
    match command {
        LedgerCommand::Info(args) => {
            let client = args.caller.client()?;
            let info = info(&client, &args.caller.channel).await?;
            let text = format!(
                "channel {}\nheight        {}\nlast block    {}\nstate digest  {}",
                args.caller.channel, info.height, info.hash, info.state_digest
            );
            output.result(&text, &info.to_json());
        }
        LedgerCommand::Block { caller, number } => {
            let block = block(&caller.client()?, &caller.channel, *number).await?;
            let (text, value) = describe_block(&block);
            output.result(&text, &value);
        }
        LedgerCommand::Tx { caller, id } => {
            let client = caller.client()?;
            let call = Call::new("qscc", "GetBlockByTxID", &[&caller.channel, id]);
            let block = CommittedBlock::parse(&client.evaluate(&call).await?)?;
            let (text, value) = find_transaction(&block, id)
                .or_else(|| find_config(&block, id))
                .with_context(|| format!("block {} does not hold {id}", block.header.number))?;
            output.result(&text, &value);
        }
        LedgerCommand::Verify(args) => {
            let chain = verify(&args.caller.client()?, &args.caller.channel).await?;
            let (height, transactions) = (chain.height(), chain.transactions());
            let (hash, digest) = (hex::encode(chain.hash()), hex::encode(chain.state_digest()));
            let text = format!(
                "verified {height} blocks with {transactions} transactions\nlast block    {hash}\nstate digest  {digest}"
            );
            let value = json!({
                "height": height,
                "transactions": transactions,
                "blockHash": hash,
                "stateDigest": digest,
            });
            output.result(&text, &value);
        }
        LedgerCommand::Replay(args) => replay::run(args, output).await?,
    }
    Ok(())
}

/// Fetches and verifies every block that the host has now, with a progress bar on a terminal.
pub(crate) async fn verify(client: &Client, channel: &str) -> Result<ChainVerifier> {
    let height = info(client, channel).await?.height;
    let progress = progress_bar(height);
    let mut chain = ChainVerifier::new(&block_bytes(client, channel, 0).await?)?;
    for number in 1..height {
        chain.next(&block_bytes(client, channel, number).await?)?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(chain)
}

/// Counts blocks, on a terminal.
pub(crate) fn progress_bar(blocks: u64) -> ProgressBar {
    let progress = ProgressBar::new(blocks);
    let template = "{wide_bar} {pos}/{len} blocks, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    progress
}

/// The encoded block `number`; the last one for [`u64::MAX`].
pub(crate) async fn block_bytes(
    client: &Client,
    channel: &str,
    number: u64,
) -> Result<bytes::Bytes> {
    let call = Call::new("qscc", "GetBlockByNumber", &[channel, &number.to_string()]);
    Ok(client.evaluate(&call).await?)
}

/// Where a channel stands on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) height: u64,
    pub(crate) hash: String,
    pub(crate) state_digest: String,
}

impl Info {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "height": self.height, "blockHash": self.hash, "stateDigest": self.state_digest })
    }
}

/// Number of blocks that a host has.
pub(crate) async fn height(client: &Client, channel: &str) -> Result<u64> {
    let call = Call::new("qscc", "GetChainInfo", &[channel]);
    Ok(BlockchainInfo::decode(client.evaluate(&call).await?)?.height)
}

/// Asks a host where it stands. Height and digest are of the same block.
pub(crate) async fn info(client: &Client, channel: &str) -> Result<Info> {
    let reply = client
        .evaluate(&Call::new("qscc", "GetChainInfo", &[channel]))
        .await?;
    let info = BlockchainInfo::decode(reply)?;
    let last = block(client, channel, Some(info.height.saturating_sub(1))).await;
    let state_digest = match last {
        Ok(last) => hex::encode(last.commit_hash),
        // The digest stands in the block, which not everybody may read.
        Err(error) => match error
            .downcast_ref::<ClientError>()
            .and_then(ClientError::contract_refusal)
        {
            Some((403, _)) => "for admins of the channel's members".to_owned(),
            _ => return Err(error),
        },
    };
    Ok(Info {
        height: info.height,
        hash: hex::encode(&info.current_block_hash),
        state_digest,
    })
}

/// Fetches a block; the last one when no number is given.
pub(crate) async fn block(
    client: &Client,
    channel: &str,
    number: Option<u64>,
) -> Result<CommittedBlock> {
    let bytes = block_bytes(client, channel, number.unwrap_or(u64::MAX)).await?;
    Ok(CommittedBlock::parse(&bytes)?)
}

/// The organisations whose hosts endorsed a committed transaction, as its block says.
pub(crate) async fn endorsers(client: &Client, channel: &str, id: TxId) -> Result<Vec<String>> {
    let call = Call::new("qscc", "GetBlockByTxID", &[channel, &id.to_string()]);
    let block = CommittedBlock::parse(&client.evaluate(&call).await?)?;
    let found = block.data.iter().find_map(|envelope| {
        let transaction = Transaction::parse(Envelope::parse(envelope).ok()?).ok()?;
        (transaction.tx_id == id).then_some(transaction)
    });
    let transaction = found.with_context(|| format!("the block does not hold {id}"))?;
    let endorsements = transaction.endorsements.iter();
    Ok(endorsements.map(|e| organization(&e.endorser)).collect())
}

fn organization(identity: &bytes::Bytes) -> String {
    decode::<cordon_wire::proto::msp::SerializedIdentity>(identity, "identity")
        .map(|identity| identity.mspid)
        .unwrap_or_default()
}

fn describe_block(block: &CommittedBlock) -> (String, Value) {
    let mut text = format!(
        "block {}\nhash          {}\nprevious      {}\nstate digest  {}",
        block.header.number,
        hex::encode(block.hash()),
        hex::encode(&block.header.previous_hash),
        hex::encode(block.commit_hash)
    );
    let mut transactions = Vec::new();
    for (envelope, code) in block.data.iter().zip(&block.codes) {
        let id = Envelope::parse(envelope)
            .map(|envelope| envelope.header.channel_header.tx_id)
            .unwrap_or_default();
        text += &format!("\n  {:<26} {id}", code.name());
        transactions.push(json!({ "transaction": id, "code": code.name() }));
    }
    let value = json!({
        "number": block.header.number,
        "hash": hex::encode(block.hash()),
        "previousHash": hex::encode(&block.header.previous_hash),
        "dataHash": hex::encode(&block.header.data_hash),
        "stateDigest": hex::encode(block.commit_hash),
        "transactions": transactions,
    });
    (text, value)
}

fn find_transaction(block: &CommittedBlock, id: &str) -> Option<(String, Value)> {
    let (index, transaction, code) = block
        .data
        .iter()
        .zip(&block.codes)
        .enumerate()
        .filter_map(|(index, (envelope, code))| {
            let transaction = Transaction::parse(Envelope::parse(envelope).ok()?).ok()?;
            Some((index, transaction, *code))
        })
        .find(|(_, transaction, code)| {
            // A copy that does not take the id is not the transaction.
            Transaction::takes_id(*code) && transaction.tx_id.to_string() == id
        })?;
    Some(describe_transaction(
        block.header.number,
        index,
        &transaction,
        code,
    ))
}

fn find_config(block: &CommittedBlock, id: &str) -> Option<(String, Value)> {
    let mut configs = block
        .data
        .iter()
        .zip(&block.codes)
        .filter_map(|(envelope, code)| {
            let config = ConfigTransaction::parse(Envelope::parse(envelope).ok()?).ok()?;
            Some((config, *code))
        });
    let (config, code) = configs.find(|(config, _)| config.tx_id.to_string() == id)?;
    let number = block.header.number;
    let creator = organization(&config.header.creator);
    let approvals = config.approvals.iter();
    let approved: Vec<String> = approvals.map(|a| organization(&a.creator)).collect();
    let text = format!(
        "transaction {id}\nblock         {number}\nverdict       {code}\nconfiguration {}\ncreator       {creator}\napproved by   {}",
        config.sequence,
        approved.join(", ")
    );
    let value = json!({
        "transaction": id,
        "block": number,
        "code": code.name(),
        "configuration": config.sequence,
        "creator": creator,
        "approvedBy": approved,
    });
    Some((text, value))
}

fn describe_transaction(
    block: u64,
    index: usize,
    transaction: &Transaction,
    code: ValidationCode,
) -> (String, Value) {
    let function = transaction
        .args
        .first()
        .map(|f| String::from_utf8_lossy(f).into_owned());
    let creator = organization(&transaction.header.creator);
    let name = common_name(&transaction.header.creator).unwrap_or_default();
    let endorsers: Vec<String> = transaction
        .endorsements
        .iter()
        .map(|e| organization(&e.endorser))
        .collect();
    let counts: Vec<Value> = transaction
        .rw_set
        .contracts
        .iter()
        .map(|set| {
            json!({
                "contract": set.contract.as_str(),
                "reads": set.reads.len(),
                "scans": set.range_reads.len(),
                "writes": set.writes.len(),
            })
        })
        .collect();
    let function = function.unwrap_or_default();
    let text = format!(
        "transaction {}\nblock         {block}, index {index}\nverdict       {code}\ncall          {} {function}\ncreator       {creator} {name}\nendorsers     {}\nstate         {}",
        transaction.tx_id,
        transaction.contract,
        endorsers.join(", "),
        counts
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    );
    let value = json!({
        "transaction": transaction.tx_id.to_string(),
        "block": block,
        "index": index,
        "code": code.name(),
        "contract": transaction.contract.as_str(),
        "function": function,
        "creator": creator,
        "creatorName": name,
        "endorsers": endorsers,
        "events": transaction.events.iter().map(|event| &event.event_name).collect::<Vec<_>>(),
        "state": counts,
    });
    (text, value)
}

/// The name in an identity's certificate.
fn common_name(identity: &bytes::Bytes) -> Option<String> {
    let identity: cordon_wire::proto::msp::SerializedIdentity =
        decode(identity, "identity").ok()?;
    let certificate = cordon_identity::Certificate::from_pem(&identity.id_bytes).ok()?;
    certificate.common_name().map(str::to_owned)
}
