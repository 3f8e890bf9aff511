//! What is in the blocks that are delivered: a chain that a client can verify by itself.

use bytes::Bytes;
use cordon_client::Call;
use cordon_tests::craft::{in_endorsed, proposal, sign_envelope, tx_id_of_envelope};
use cordon_tests::{
    CHANNEL, CLINIC, HOSPITAL, Network, chain_info, create_emr, emr_of, eventually_async,
};
use cordon_wire::proto::common::{self, BlockHeader, HeaderType};
use cordon_wire::proto::protos::deliver_response::Type;
use cordon_wire::proto::protos::filtered_transaction::Data;
use cordon_wire::{Message as _, encode, sha256};

use crate::{Delivery, Form, add_notes, everything};

const HEADER_WITH_SIG: i32 = 1;

/// Header hash, written down once more from `WIRE.md` section 11, so that a mistake of the host's own
/// code does not confirm itself. Numbers here are below 128.
fn header_hash(header: &BlockHeader) -> [u8; 32] {
    let number = u8::try_from(header.number).unwrap();
    assert!(number < 128);
    let mut der = vec![0x02, 1, number];
    for text in [&header.previous_hash, &header.data_hash] {
        der.extend([0x04, u8::try_from(text.len()).unwrap()]);
        der.extend(&text[..]);
    }
    let head = [0x30, u8::try_from(der.len()).unwrap()];
    sha256([&head[..], &der])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_verify_the_chain() {
    let network = Network::start().await;
    let client = network.client("hospital/hc1");
    let hc1 = network.signer("hospital/hc1");
    create_emr(&client, "pa1").await.unwrap();
    network.settled().await;
    add_notes(&network.client("hospital/py1"), "pa1", 12).await;

    // One transaction that is not valid.
    let raw = network.raw(HOSPITAL);
    let unsigned = raw
        .endorse(proposal(&hc1, &["CreateEmr", &emr_of("pa2")]))
        .await
        .unwrap();
    let mut envelope = unsigned;
    in_endorsed(&mut envelope, |endorsed| endorsed.endorsements.clear());
    let envelope = sign_envelope(&hc1, envelope);
    let refused = tx_id_of_envelope(&envelope);
    raw.submit(envelope).await.unwrap();
    client.commit_status(refused).await.unwrap();
    let end = network.settled().await;

    let mut chains = Vec::new();
    for organization in [HOSPITAL, CLINIC] {
        let raw = network.raw(organization);
        let mut delivery = Delivery::open(&raw, Form::Whole).await;
        delivery.send(everything().envelope(&hc1)).await;
        let mut previous = Bytes::new();
        let mut blocks = Vec::new();
        for number in 0..end.height {
            let block = delivery.block().await;
            let header = block.header.clone().unwrap();
            assert_eq!(header.number, number);
            assert_eq!(header.previous_hash, previous, "block {number}");
            let data = &block.data.as_ref().unwrap().data;
            let data_hash = sha256(data.iter().map(AsRef::as_ref));
            assert_eq!(header.data_hash, data_hash.as_slice(), "block {number}");
            let slots = &block.metadata.as_ref().unwrap().metadata;
            assert_eq!(slots.len(), 5, "block {number}");
            assert_eq!(
                slots[2].len(),
                data.len(),
                "one verdict per transaction of block {number}"
            );
            previous = Bytes::copy_from_slice(&header_hash(&header));
            blocks.push(block);
        }
        let info = chain_info(&client).await.unwrap();
        assert_eq!(info.height, end.height);
        assert_eq!(info.current_block_hash, previous);
        let last = blocks.last().unwrap().header.as_ref().unwrap();
        assert_eq!(info.previous_block_hash, last.previous_hash);
        chains.push(blocks);
    }
    assert!(chains[0] == chains[1], "both hosts hand out the same bytes");
    let blocks = &chains[0];
    let first = &blocks[0].data.as_ref().unwrap().data;
    assert_eq!(first.len(), 1, "block 0 is one configuration");
    assert_eq!(header_of(&first[0]).r#type, HeaderType::Config as i32);

    // `qscc` has the same blocks.
    for (number, block) in blocks.iter().enumerate() {
        let call = Call::new("qscc", "GetBlockByNumber", &[CHANNEL, &number.to_string()]);
        assert_eq!(client.evaluate(&call).await.unwrap(), encode(block));
    }
    filtered(&network, blocks).await;
    with_private_data(&network, blocks).await;
    headers_only(&network, blocks).await;
}

fn header_of(envelope: &Bytes) -> common::ChannelHeader {
    let envelope = common::Envelope::decode(envelope.clone()).unwrap();
    let payload = common::Payload::decode(envelope.payload).unwrap();
    common::ChannelHeader::decode(payload.header.unwrap().channel_header).unwrap()
}

async fn filtered(network: &Network, blocks: &[common::Block]) {
    let mut delivery = Delivery::open(&network.raw(HOSPITAL), Form::Filtered).await;
    delivery
        .send(everything().envelope(&network.signer("clinic/py2")))
        .await;
    let (mut valid, mut refused) = (0, 0);
    for block in blocks {
        let Some(Type::FilteredBlock(filtered)) = delivery.next().await else {
            panic!("no filtered block");
        };
        assert_eq!(filtered.channel_id, CHANNEL);
        assert_eq!(filtered.number, block.header.as_ref().unwrap().number);
        let data = &block.data.as_ref().unwrap().data;
        let codes = &block.metadata.as_ref().unwrap().metadata[2];
        assert_eq!(filtered.filtered_transactions.len(), data.len());
        for ((entry, envelope), code) in filtered.filtered_transactions.iter().zip(data).zip(codes)
        {
            let header = header_of(envelope);
            assert_eq!(entry.txid, header.tx_id);
            assert_eq!(entry.r#type, header.r#type);
            assert_eq!(entry.tx_validation_code, i32::from(*code));
            if header.r#type == HeaderType::Config as i32 {
                assert_eq!(entry.data, None);
                continue;
            }
            let Some(Data::TransactionActions(actions)) = &entry.data else {
                panic!("no actions");
            };
            let event = actions.chaincode_actions[0]
                .chaincode_event
                .as_ref()
                .unwrap();
            assert!(["EmrCreated", "EmrNoteAdded"].contains(&event.event_name.as_str()));
            assert_eq!(event.tx_id, header.tx_id);
            assert_eq!(event.chaincode_id, "emr");
            assert!(event.payload.is_empty(), "a filtered event has no payload");
            if *code == 0 { valid += 1 } else { refused += 1 }
        }
    }
    assert_eq!((valid, refused), (13, 1));
}

async fn with_private_data(network: &Network, blocks: &[common::Block]) {
    let mut delivery = Delivery::open(&network.raw(HOSPITAL), Form::WithPrivateData).await;
    delivery
        .send(everything().envelope(&network.signer("hospital/py1")))
        .await;
    for block in blocks {
        let Some(Type::BlockAndPrivateData(both)) = delivery.next().await else {
            panic!("no block with private data");
        };
        assert_eq!(both.block.as_ref(), Some(block));
    }
}

async fn headers_only(network: &Network, blocks: &[common::Block]) {
    let mut delivery = Delivery::open(&network.raw(HOSPITAL), Form::Whole).await;
    let mut seek = everything();
    seek.info.content_type = HEADER_WITH_SIG;
    delivery
        .send(seek.envelope(&network.signer("hospital/py1")))
        .await;
    for block in blocks {
        let found = delivery.block().await;
        assert_eq!(found.header, block.header);
        assert_eq!(found.metadata, block.metadata);
        let number = block.header.as_ref().unwrap().number;
        let data = found.data.unwrap_or_default().data;
        if number == 0 {
            assert_eq!(
                data,
                block.data.as_ref().unwrap().data,
                "configurations stay"
            );
        } else {
            assert!(data.is_empty(), "block {number}");
        }
    }
}

/// A client that does not read holds up nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_disturbs_nobody() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let client = network.client("hospital/hc1");
    let mut slow = Delivery::open(&raw, Form::Whole).await;
    let mut seek = everything();
    seek.info.stop = Some(cordon_wire::proto::orderer::SeekPosition {
        r#type: cordon_tests::craft::specified(u64::MAX),
    });
    slow.send(seek.envelope(&hc1)).await;
    create_emr(&client, "pa1").await.unwrap();
    network.settled().await;
    let py1 = network.client("hospital/py1");
    for _ in 0..4 {
        add_notes(&py1, "pa1", 20).await;
    }
    let end = eventually_async("commits go on", async || {
        let standing = network.settled().await;
        (standing.height > 2).then_some(standing)
    })
    .await;
    for number in 0..end.height {
        assert_eq!(slow.block().await.header.unwrap().number, number);
    }
}
