//! `qscc`: all five functions, and what they answer to questions without an answer.

use std::sync::Arc;

use bytes::Bytes;
use cordon_client::{Call, Client};
use cordon_identity::CertificateAuthority;
use cordon_tests::craft::{
    edit, in_channel_header, in_invocation, issue, proposal, sign_again, valid_now,
};
use cordon_tests::{CHANNEL, HOSPITAL, Network, Table, answer_of, blocks, chain_info, create_emr};
use cordon_wire::Message as _;
use cordon_wire::block::CommittedBlock;
use cordon_wire::proto::common::ChannelHeader;
use cordon_wire::proto::protos::{ChaincodeHeaderExtension, ProcessedTransaction};
use tonic::Code;

fn query(function: &str, args: &[&[u8]]) -> Call {
    let function = [function.as_bytes()];
    Call {
        args: function
            .iter()
            .chain(args)
            .map(|arg| Bytes::copy_from_slice(arg))
            .collect(),
        ..Call::new("qscc", "", &[])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_queries() {
    let network = Network::start().await;
    let client = network.client("hospital/hc1");
    let receipt = create_emr(&client, "pa1").await.unwrap();
    create_emr(&client, "pa2").await.unwrap();
    let before = network.settled().await;
    let chain = blocks(&client).await;
    let channel = CHANNEL.as_bytes();
    let mut table = Table::new();

    let info = chain_info(&client).await.unwrap();
    table.equal("height", info.height, 3);
    table.equal("hash", &info.current_block_hash[..], &chain[2].hash()[..]);
    table.equal(
        "previous hash",
        &info.previous_block_hash[..],
        &chain[1].hash()[..],
    );
    let tx_id = receipt.tx_id.to_string();
    for (case, call, number) in [
        ("by number", query("GetBlockByNumber", &[channel, b"1"]), 1),
        ("block 0", query("GetBlockByNumber", &[channel, b"0"]), 0),
        (
            "the last one",
            query("GetBlockByNumber", &[channel, b"18446744073709551615"]),
            2,
        ),
        (
            "by hash",
            query("GetBlockByHash", &[channel, &chain[1].hash()]),
            1,
        ),
        (
            "block 0 by hash",
            query("GetBlockByHash", &[channel, &chain[0].hash()]),
            0,
        ),
        (
            "by transaction",
            query("GetBlockByTxID", &[channel, tx_id.as_bytes()]),
            1,
        ),
    ] {
        let block = CommittedBlock::parse(&client.evaluate(&call).await.unwrap()).unwrap();
        table.equal(case, block.hash(), chain[number].hash());
    }
    let call = query("GetTransactionByID", &[channel, tx_id.as_bytes()]);
    let found = ProcessedTransaction::decode(client.evaluate(&call).await.unwrap()).unwrap();
    table.equal("verdict", found.validation_code, 0);
    let envelope = cordon_wire::encode(&found.transaction_envelope.unwrap());
    table.equal("envelope", envelope, chain[1].data[0].clone());

    let not_hex = "the transaction id is not 64 lower-case hex digits";
    let unknown_id = "0".repeat(64);
    let no_transaction = format!("there is no transaction {unknown_id}");
    let (id, upper) = (unknown_id.as_bytes(), tx_id.to_uppercase());
    for (case, call, text) in [
        (
            "beyond the last block",
            query("GetBlockByNumber", &[channel, b"3"]),
            "there is no block 3",
        ),
        (
            "number that is none",
            query("GetBlockByNumber", &[channel, b"one"]),
            "the block number is not a number",
        ),
        (
            "negative number",
            query("GetBlockByNumber", &[channel, b"-1"]),
            "the block number is not a number",
        ),
        (
            "number too large",
            query("GetBlockByNumber", &[channel, b"18446744073709551616"]),
            "the block number is not a number",
        ),
        (
            "no number",
            query("GetBlockByNumber", &[channel]),
            "the block number is not a number",
        ),
        (
            "unknown hash",
            query("GetBlockByHash", &[channel, &[7; 32]]),
            "there is no block with this hash",
        ),
        (
            "hash that is none",
            query("GetBlockByHash", &[channel, b"7"]),
            "there is no block with this hash",
        ),
        (
            "no hash",
            query("GetBlockByHash", &[channel]),
            "there is no block with this hash",
        ),
        (
            "block of an unknown transaction",
            query("GetBlockByTxID", &[channel, id]),
            &no_transaction,
        ),
        (
            "block of no transaction",
            query("GetBlockByTxID", &[channel]),
            not_hex,
        ),
        (
            "upper-case id",
            query("GetBlockByTxID", &[channel, upper.as_bytes()]),
            not_hex,
        ),
        (
            "unknown transaction",
            query("GetTransactionByID", &[channel, id]),
            &no_transaction,
        ),
        (
            "id that is none",
            query("GetTransactionByID", &[channel, b"7"]),
            not_hex,
        ),
        (
            "unknown function",
            query("GetEverything", &[channel]),
            "qscc has no function GetEverything",
        ),
        (
            "no function",
            query("", &[channel]),
            "qscc has no function ",
        ),
    ] {
        let found = answer_of(client.evaluate(&call).await);
        let text = format!("chaincode response 500, {text}");
        table.equal(case, found.code, Code::Unknown);
        table.equal(
            case,
            found.message,
            format!("evaluate call to endorser returned error: {text}"),
        );
        table.equal(case, found.details, vec![("HospitalMSP".to_owned(), text)]);
    }
    for (case, call, text) in [
        (
            "another channel",
            query("GetChainInfo", &[b"records"]),
            "channel records is not known to this host",
        ),
        (
            "no channel",
            query("GetChainInfo", &[]),
            "channel  is not known to this host",
        ),
    ] {
        let found = answer_of(client.evaluate(&call).await);
        table.equal(
            case,
            (found.code, found.message.as_str()),
            (Code::FailedPrecondition, text),
        );
    }
    let found = answer_of(client.transact(&query("GetChainInfo", &[channel])).await);
    table.equal(
        "queries are not ordered",
        found.code,
        Code::FailedPrecondition,
    );

    // A stranger learns nothing.
    let stranger = CertificateAuthority::create("ca.hospital", "hospital", valid_now()).unwrap();
    let mallory = Arc::new(issue(
        &stranger,
        "HospitalMSP",
        Some("client"),
        "x",
        valid_now(),
    ));
    let outside = Client::new(CHANNEL, mallory, network.connection(HOSPITAL));
    for function in [
        "GetChainInfo",
        "GetBlockByNumber",
        "GetTransactionByID",
        "GetEverything",
    ] {
        let found = answer_of(outside.evaluate(&query(function, &[channel, b"0"])).await);
        table.equal(function, found.code, Code::FailedPrecondition);
        table.contains(
            function,
            &found.message,
            "creator is not accepted: the certificate is not trusted by HospitalMSP",
        );
    }
    table.equal("nothing has changed", network.settled().await, before);
}

/// Fabric's command line asks through `ProcessProposal`, without a channel, and sometimes with header
/// type CONFIG.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_the_command_line_asks() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let mut table = Table::new();
    for (case, channel, header_type) in [
        ("with a channel", CHANNEL, 3),
        ("without", "", 3),
        ("type CONFIG", "", 1),
    ] {
        let mut signed = proposal(&hc1, &["GetChainInfo", CHANNEL]);
        in_invocation(&mut signed, |invocation| {
            let spec = invocation.chaincode_spec.as_mut().unwrap();
            spec.chaincode_id.as_mut().unwrap().name = "qscc".to_owned();
        });
        in_channel_header(&mut signed, |header: &mut ChannelHeader| {
            header.channel_id = channel.to_owned();
            header.r#type = header_type;
            edit(
                &mut header.extension,
                |extension: &mut ChaincodeHeaderExtension| {
                    extension.chaincode_id.as_mut().unwrap().name = "qscc".to_owned();
                },
            );
        });
        let reply = raw
            .process_proposal(sign_again(&hc1, signed))
            .await
            .unwrap();
        let response = reply.response.unwrap();
        table.equal(
            case,
            (response.status, response.message.as_str()),
            (200, ""),
        );
        let info = cordon_wire::proto::common::BlockchainInfo::decode(response.payload).unwrap();
        table.equal(case, info.height, 1);
        // `peer chaincode query` takes an answer on a channel only with an endorsement.
        table.equal(case, reply.endorsement.is_some(), !channel.is_empty());
    }
}
