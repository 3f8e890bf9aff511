//! The whole town: four hosts, three channels, and who calls what on each.

use std::collections::BTreeMap;
use std::path::Path;

use cordon_client::{Call, Client, ClientError, Receipt};
use cordon_types::{TxId, ValidationCode};
use serde_json::Value;
use tonic::Code;

use crate::ledger::{Standing, standing_on};
use crate::network::{CHANNEL, CLINIC, HOSPITAL, Network, NetworkFile};
use crate::process::eventually_async;
use crate::raw::answer_of;

/// The organisation of parents.
pub const PARENTS: &str = "parents";
/// The organisation of schools.
pub const SCHOOL: &str = "school";
/// Children's medical cards.
pub const CARDS: &str = "cards";
/// Places at schools, and reports.
pub const REPORTS: &str = "reports";
/// The channels, with their members.
pub const CHANNELS: [(&str, &[&str]); 3] = [
    (CHANNEL, &[HOSPITAL, CLINIC]),
    (CARDS, &[HOSPITAL, PARENTS]),
    (REPORTS, &[HOSPITAL, PARENTS, SCHOOL]),
];
/// Begins the message of an evaluated call that a contract refused.
const EVALUATE: &str = "evaluate call to endorser returned error: ";
/// Begins the message of a submitted call that a contract refused.
const ENDORSE: &str = "failed to endorse transaction, see attached details for more info: ";

/// The network file of the town, usable wherever it is written: with absolute paths.
pub fn town_text() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let policies = root.join("policies");
    let text = std::fs::read_to_string(policies.join("town.toml")).unwrap();
    let text = text.replace("\"../", &format!("\"{}/", root.display()));
    CHANNELS.iter().fold(text, |text, (channel, _)| {
        let from = format!("name = \"{channel}\"\norganizations");
        assert!(text.contains(&from), "{channel}");
        let folder = policies.join(channel);
        let to = format!(
            "name = \"{channel}\"\naccess_policies = \"{}\"\norganizations",
            folder.display()
        );
        text.replace(&from, &to)
    })
}

/// The members of a channel.
fn members(channel: &str) -> &'static [&'static str] {
    CHANNELS
        .iter()
        .find_map(|(name, members)| (*name == channel).then_some(*members))
        .unwrap()
}

impl Network {
    /// The town with all four hosts, which agree on every channel.
    pub async fn start_town() -> Self {
        Self::start_all(NetworkFile::Town).await
    }

    /// The same from a file with the town's organisations and channels.
    pub async fn start_all(file: NetworkFile) -> Self {
        let mut network = Self::provision_from(file, "warn");
        for organization in [HOSPITAL, CLINIC, PARENTS, SCHOOL] {
            network.start_host(organization);
        }
        network.settled_everywhere().await;
        network
    }

    /// A client for `organisation/user` at that organisation's host, on any channel.
    pub fn client_on(&self, channel: &str, caller: &str) -> Client {
        let (organization, _) = caller.split_once('/').unwrap();
        self.client_at(organization, channel, caller)
    }

    /// The same at any organisation's host.
    pub fn client_at(&self, host: &str, channel: &str, caller: &str) -> Client {
        Client::new(channel, self.signer(caller), self.connection(host))
    }

    /// Waits until the hosts of all members answer and are at the same block of a channel; where that
    /// is. Fails when they are at the same height and not the same.
    pub async fn settled_on(&self, channel: &str) -> Standing {
        let admins: Vec<(&str, Client)> = members(channel)
            .iter()
            .map(|member| (*member, self.client_on(channel, &format!("{member}/admin"))))
            .collect();
        eventually_async("all hosts are at the same height", async || {
            let mut found: Option<Standing> = None;
            for (member, admin) in &admins {
                let here = standing_on(admin, channel).await.ok()?;
                let first = found.get_or_insert_with(|| here.clone());
                if first.height != here.height {
                    return None;
                }
                assert_eq!(*first, here, "{member} has parted on channel {channel}");
            }
            found
        })
        .await
    }

    /// Where all hosts are on every channel, in the order of [`CHANNELS`].
    pub async fn settled_everywhere(&self) -> Vec<Standing> {
        let mut standings = Vec::new();
        for (channel, _) in CHANNELS {
            standings.push(self.settled_on(channel).await);
        }
        standings
    }
}

/// A contract with all who call it, each at the own organisation's host.
pub struct Stage {
    contract: &'static str,
    clients: BTreeMap<String, Client>,
    /// An admin of each member: sees what its host has committed.
    witnesses: Vec<Client>,
}

impl Stage {
    /// `contract` on `channel`, for these `organisation/user`s.
    pub fn new(network: &Network, channel: &str, contract: &'static str, callers: &[&str]) -> Self {
        let client = |caller: &str| network.client_on(channel, caller);
        Self {
            contract,
            clients: callers
                .iter()
                .map(|caller| ((*caller).to_owned(), client(caller)))
                .collect(),
            witnesses: members(channel)
                .iter()
                .map(|member| client(&format!("{member}/admin")))
                .collect(),
        }
    }

    /// The client of one of the callers.
    pub fn client(&self, who: &str) -> &Client {
        &self.clients[who]
    }

    /// The call of a function.
    pub fn call(&self, function: &str, args: &[&str]) -> Call {
        Call::new(self.contract, function, args)
    }

    /// Waits until every member's host has committed a transaction, which must be valid.
    pub async fn seen(&self, tx_id: TxId) {
        for witness in &self.witnesses {
            let (code, _) = witness.commit_status(tx_id).await.unwrap();
            assert_eq!(code, ValidationCode::Valid, "{tx_id}");
        }
    }

    /// A call that must take effect, as far as its caller's host knows.
    pub async fn commits(&self, who: &str, function: &str, args: &[&str]) -> Receipt {
        let call = self.call(function, args);
        let done = self.client(who).transact(&call).await;
        done.unwrap_or_else(|error| panic!("{who} {function} {args:?}: {}", told(&error)))
    }

    /// A call that must take effect; its JSON answer, once every member's host has committed it.
    pub async fn submits(&self, who: &str, function: &str, args: &[&str]) -> Value {
        let receipt = self.commits(who, function, args).await;
        self.seen(receipt.tx_id).await;
        if receipt.answer.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&receipt.answer).unwrap()
    }

    /// A query that must be answered.
    pub async fn asks(&self, who: &str, function: &str, args: &[&str]) -> Value {
        let answer = self.client(who).evaluate(&self.call(function, args)).await;
        let answer =
            answer.unwrap_or_else(|error| panic!("{who} {function} {args:?}: {}", told(&error)));
        serde_json::from_slice(&answer).unwrap()
    }

    /// How a call is refused, `404: sentence`: the same when it is evaluated and when it is submitted,
    /// and by every host that was asked. Anything else is told as it came.
    pub async fn refusal(&self, who: &str, function: &str, args: &[&str]) -> String {
        refusal_of(self.client(who), &self.call(function, args)).await
    }
}

/// The same for any client.
pub async fn refusal_of(client: &Client, call: &Call) -> String {
    let asked = answer_of(client.evaluate(call).await);
    let Some(text) = asked.message.strip_prefix(EVALUATE) else {
        return format!("evaluated: {:?} {:?}", asked.code, asked.message);
    };
    let written = answer_of(client.transact(call).await);
    let expected = format!("{ENDORSE}{text}");
    if (asked.code, written.code) != (Code::Unknown, Code::Aborted)
        || written.message != expected
        || written.details.is_empty()
        || written.details.iter().any(|(_, found)| found != text)
    {
        return format!("evaluated: {asked:?}, submitted: {written:?}");
    }
    let plain = text.strip_prefix("chaincode response ").unwrap_or(text);
    plain.replacen(", ", ": ", 1)
}

/// Calls that know nothing of each other: all are endorsed before any is submitted. Their verdicts, in
/// the order of the calls.
pub async fn at_once(calls: &[(&Client, Call)]) -> Vec<ValidationCode> {
    let mut prepared = Vec::new();
    for (client, call) in calls {
        let endorsed = client.endorse(client.propose(call).unwrap()).await;
        prepared.push(endorsed.unwrap_or_else(|error| panic!("{}", told(&error))));
    }
    let both = calls.iter().zip(&prepared);
    let verdicts = both.map(async |((client, _), prepared)| {
        client.submit(prepared).await.unwrap();
        client.commit_status(prepared.tx_id).await.unwrap().0
    });
    futures::future::join_all(verdicts).await
}

/// An error with its details.
fn told(error: &ClientError) -> String {
    match error {
        ClientError::Status { details, .. } => format!("{error} {details:?}"),
        other => other.to_string(),
    }
}
