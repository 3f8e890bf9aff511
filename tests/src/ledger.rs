//! What a host's ledger holds, asked through `qscc` as any client can.

use bytes::Bytes;
use cordon_client::{Call, Client, ClientError};
use cordon_wire::Message as _;
use cordon_wire::block::CommittedBlock;
use cordon_wire::proto::common::BlockchainInfo;

use crate::network::CHANNEL;

/// Where a host is on a channel. Two hosts with the same standing have the same blocks, verdicts and
/// state.
#[derive(Clone, PartialEq, Eq)]
pub struct Standing {
    /// Number of blocks.
    pub height: u64,
    /// Hash of the last one.
    pub block_hash: Bytes,
    /// Running digest over verdicts and state updates.
    pub state_digest: [u8; 32],
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (hash, digest) = (
            hex::encode(&self.block_hash),
            hex::encode(self.state_digest),
        );
        write!(
            f,
            "height {}, block {hash:.8}, state {digest:.8}",
            self.height
        )
    }
}

pub(crate) async fn standing(client: &Client) -> Result<Standing, ClientError> {
    standing_on(client, CHANNEL).await
}

/// Where the client's host is on a channel that the client is for.
///
/// # Errors
/// [`ClientError`] when the host does not answer.
pub async fn standing_on(client: &Client, channel: &str) -> Result<Standing, ClientError> {
    let info = chain_info_on(client, channel).await?;
    let last = block_on(client, channel, info.height - 1).await?;
    // The block is the one whose hash was told, or something is very wrong.
    assert_eq!(last.hash().as_slice(), info.current_block_hash);
    Ok(Standing {
        height: info.height,
        block_hash: info.current_block_hash,
        state_digest: last.commit_hash,
    })
}

/// The answer of `GetChainInfo`.
///
/// # Errors
/// The client's.
pub async fn chain_info(client: &Client) -> Result<BlockchainInfo, ClientError> {
    chain_info_on(client, CHANNEL).await
}

async fn chain_info_on(client: &Client, channel: &str) -> Result<BlockchainInfo, ClientError> {
    let call = Call::new("qscc", "GetChainInfo", &[channel]);
    Ok(BlockchainInfo::decode(client.evaluate(&call).await?).unwrap())
}

async fn block_on(
    client: &Client,
    channel: &str,
    number: u64,
) -> Result<CommittedBlock, ClientError> {
    let call = Call::new("qscc", "GetBlockByNumber", &[channel, &number.to_string()]);
    Ok(CommittedBlock::parse(&client.evaluate(&call).await?).unwrap())
}

/// All blocks of a host, checked to be a chain: numbers, previous hashes and data hashes.
pub async fn blocks(client: &Client) -> Vec<CommittedBlock> {
    blocks_on(client, CHANNEL).await
}

/// The same of a channel that the client is for.
pub async fn blocks_on(client: &Client, channel: &str) -> Vec<CommittedBlock> {
    let height = chain_info_on(client, channel).await.unwrap().height;
    let mut blocks: Vec<CommittedBlock> = Vec::new();
    for number in 0..height {
        let block = block_on(client, channel, number).await.unwrap();
        assert_eq!(block.header.number, number);
        let previous = blocks
            .last()
            .map_or(Vec::new(), |last| last.hash().to_vec());
        assert_eq!(block.header.previous_hash, previous, "block {number}");
        blocks.push(block);
    }
    blocks
}

/// Block and verdict of every place where `tx_id` stands in the blocks.
pub fn state_of(blocks: &[CommittedBlock], tx_id: &str) -> Vec<(u64, &'static str)> {
    blocks
        .iter()
        .flat_map(|block| {
            let codes = block.data.iter().zip(&block.codes);
            codes.map(|(envelope, code)| (block.header.number, envelope, code))
        })
        .filter(|(_, envelope, _)| {
            cordon_wire::transaction::Envelope::parse(envelope)
                .is_ok_and(|envelope| envelope.header.channel_header.tx_id == tx_id)
        })
        .map(|(number, _, code)| (number, code.name()))
        .collect()
}
