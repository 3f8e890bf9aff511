//! What a contract on another channel does wrong when it is asked, ends the call of the one that asks.

use cordon_client::Call;
use cordon_tests::{REPORTS, Table};
use serde_json::json;

use crate::guests::{self, evaluated};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_a_contract_at_fault_is_at_fault() {
    let network = guests::start().await;
    let before = network.settled().await;
    // Only the hospital's host can ask there, so all is evaluated.
    let client = network.client("hospital/pa1");
    let mut table = Table::new();
    let too_long = "500: the contract exceeded its limit of bytes of the result";
    for (contract, function, args, expected) in [
        ("canary", "Plant", &["0"][..], "200: 2107152"),
        ("canary", "Plant", &["1"], "500: the contract trapped"),
        (
            "canary",
            "Plant",
            &["2"],
            "500: the contract ran out of fuel",
        ),
        ("canary", "Scan", &[], "200: 0"),
        (
            "answers",
            "Text",
            &["65536", "100"],
            &format!("200: {}", "x".repeat(100)),
        ),
        ("answers", "Text", &["65536", "3145729"], too_long),
        ("answers", "Texts", &["65536", "1000"], too_long),
        ("answers", "Refuse", &["65536", "3"], "400: xxx"),
        ("answers", "Refuse", &["65536", "3145729"], too_long),
        (
            "answers",
            "Flags",
            &["65536", "600000"],
            "500: the contract trapped",
        ),
        (
            "answers",
            "Bytes",
            &["65536", "1500000"],
            "200: 2000002 bytes",
        ),
    ] {
        let arguments = json!(args).to_string();
        let call = Call::new(
            "prober",
            "Probe:Query",
            &[REPORTS, contract, function, &arguments],
        );
        let found = evaluated(&client, &call).await;
        table.equal(
            &format!("{contract} {function} {args:?}"),
            found,
            expected.to_owned(),
        );
    }
    table.equal("nothing has changed", network.settled().await, before);
}
