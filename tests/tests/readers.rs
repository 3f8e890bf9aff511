//! Who may read whole blocks: on a channel for admins nobody gets around a contract by asking for the
//! block.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use cordon_client::{Call, Client};
use cordon_tests::{CARDS, CHANNEL, Network};

const CHILD: &str = r#"{"childId":"lena","name":"ONLY-HERS","birthdate":"2019-05-14"}"#;

async fn blocks(client: &Client, channel: &str, tx_id: &str) -> Vec<Result<bool, (i32, String)>> {
    let info = Call::new("qscc", "GetChainInfo", &[channel]);
    client
        .evaluate(&info)
        .await
        .expect("heights are for everybody");
    let mut answers = Vec::new();
    for (function, argument) in [
        ("GetBlockByNumber", "1"),
        ("GetBlockByNumber", "18446744073709551615"),
        ("GetBlockByTxID", tx_id),
        ("GetTransactionByID", tx_id),
    ] {
        let call = Call::new("qscc", function, &[channel, argument]);
        answers.push(match client.evaluate(&call).await {
            Ok(answer) => Ok(answer.windows(9).any(|part| part == b"ONLY-HERS")),
            Err(error) => {
                let (status, text) = error.contract_refusal().unwrap();
                Err((status, text.to_owned()))
            }
        });
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_contract_refuses_is_not_read_from_blocks() {
    let network = Network::start_town().await;
    let parent = network.client_on(CARDS, "parents/parent1");
    let register = Call::new("cards", "Parent:RegisterChild", &[CHILD]);
    let tx_id = parent.transact(&register).await.unwrap().tx_id.to_string();
    network.settled_on(CARDS).await;

    let refused = (
        403,
        "only admins of its members may read blocks of channel cards".to_owned(),
    );
    for caller in [
        "parents/parent2",
        "parents/parent1",
        "hospital/pa1",
        "hospital/pd1",
    ] {
        let client = network.client_on(CARDS, caller);
        let answers = blocks(&client, CARDS, &tx_id).await;
        assert!(
            answers.iter().all(|answer| *answer == Err(refused.clone())),
            "{caller}: {answers:?}"
        );
        let verified = network.cli(&["ledger", "verify", "--as", caller, "--channel", CARDS]);
        assert_eq!(verified.code, 1, "{verified:?}");
        assert!(verified.stderr.contains(&refused.1), "{verified:?}");
        let info = network.cli(&["ledger", "info", "--as", caller, "--channel", CARDS]);
        assert_eq!(info.code, 0, "{info:?}");
        assert!(info.stdout.contains("for admins"), "{info:?}");
    }
    for caller in ["parents/admin", "hospital/admin"] {
        let client = network.client_on(CARDS, caller);
        let answers = blocks(&client, CARDS, &tx_id).await;
        assert!(
            answers.iter().all(|answer| *answer == Ok(true)),
            "{caller}: {answers:?}"
        );
        let verified = network.cli(&["ledger", "verify", "--as", caller, "--channel", CARDS]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    // On a channel for members it is as in Fabric.
    let physician = network.client_on(CHANNEL, "clinic/py2");
    let block = Call::new("qscc", "GetBlockByNumber", &[CHANNEL, "0"]);
    assert!(physician.evaluate(&block).await.is_ok());
}
