//! Whoever is no member of a channel is told what is said of a channel that does not exist, by every
//! host, whatever is asked.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use cordon_identity::Signer;
use cordon_order::HostCredentials;
use cordon_tests::craft::{
    Seek, edit, in_action, in_endorsed, in_envelope_channel_header, in_payload, in_transaction,
    newest, nonce, now, oldest, sign_envelope,
};
use cordon_tests::{
    CARDS, CLINIC, HOSPITAL, Network, PARENTS, REPORTS, Raw, SCHOOL, Stage, Table, within,
};
use cordon_types::TxId;
use cordon_wire::proposal::{
    CONFIG, Header, NewProposal, proposal_hash, serialized_identity, tx_id,
};
use cordon_wire::proto::common::{self, Envelope};
use cordon_wire::proto::cordon::ordering::v1::ordering_log_client::OrderingLogClient;
use cordon_wire::proto::cordon::ordering::v1::{AppendRequest, ReadRequest};
use cordon_wire::proto::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, SignedChaincodeEventsRequest,
    SignedCommitStatusRequest,
};
use cordon_wire::proto::orderer::{SeekPosition, SeekSpecified, seek_position};
use cordon_wire::proto::protos::{ChaincodeAction, ProposalResponsePayload, SignedProposal};
use cordon_wire::{Message, encode};
use serde_json::json;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, Streaming};

use crate::town::{ORGANIZATIONS, connection_text, host_signer};

/// As long as `cards`, so that lengths in binary details are the same.
const UNKNOWN: &str = "nopes";

/// Who asks, with a signature over anything.
struct Asker {
    name: String,
    creator: Bytes,
    signer: Arc<Signer>,
    spoils: bool,
}

impl Asker {
    fn honest(name: &str, signer: Arc<Signer>) -> Self {
        Self {
            name: name.to_owned(),
            creator: signer.serialized(),
            signer,
            spoils: false,
        }
    }

    /// Says to be `creator`, and signs with the key of `signer`.
    fn forged(name: &str, creator: Bytes, signer: Arc<Signer>) -> Self {
        Self {
            name: name.to_owned(),
            creator,
            signer,
            spoils: false,
        }
    }

    fn sign(&self, bytes: &[u8]) -> Bytes {
        let signed = if self.spoils {
            &b"something else"[..]
        } else {
            bytes
        };
        self.signer.sign(signed).unwrap()
    }

    fn proposal(&self, channel: &str, contract: &str, args: &[&str]) -> SignedProposal {
        let (proposal_bytes, _) = NewProposal {
            channel,
            contract,
            args: args
                .iter()
                .map(|arg| Bytes::copy_from_slice(arg.as_bytes()))
                .collect(),
            transient: BTreeMap::new(),
            creator: self.creator.clone(),
            nonce: nonce(),
            timestamp: (now(), 0),
        }
        .build();
        let signature = self.sign(&proposal_bytes);
        SignedProposal {
            proposal_bytes,
            signature,
        }
    }

    /// A transaction of `cards`, made this asker's own, for any channel.
    fn envelope(&self, real: &Envelope, channel: &str) -> Envelope {
        let nonce = Bytes::copy_from_slice(&nonce());
        let header = encode(&common::SignatureHeader {
            creator: self.creator.clone(),
            nonce: nonce.clone(),
        });
        let id = tx_id(&nonce, &self.creator).to_string();
        let mut envelope = real.clone();
        in_envelope_channel_header(&mut envelope, |channel_header| {
            channel.clone_into(&mut channel_header.channel_id);
            channel_header.tx_id = id;
        });
        in_payload(&mut envelope, |payload| {
            payload.header.as_mut().unwrap().signature_header = header.clone();
        });
        in_transaction(&mut envelope, |transaction| {
            transaction.actions[0].header = header;
        });
        let header = in_header(&envelope);
        let mut public = Bytes::new();
        in_action(&mut envelope, |action| {
            public.clone_from(&action.chaincode_proposal_payload);
        });
        in_endorsed(&mut envelope, |endorsed| {
            edit(
                &mut endorsed.proposal_response_payload,
                |payload: &mut ProposalResponsePayload| {
                    let hash = proposal_hash(&header, &public);
                    payload.proposal_hash = Bytes::copy_from_slice(&hash);
                    edit(&mut payload.extension, |action: &mut ChaincodeAction| {
                        action.events = Bytes::new();
                    });
                },
            );
        });
        envelope.signature = self.sign(&envelope.payload);
        envelope
    }

    fn seek(&self, channel: &str) -> Envelope {
        let seek = Seek {
            channel: channel.to_owned(),
            ..Seek::new(oldest(), newest())
        };
        let mut envelope = seek.envelope(&self.signer);
        in_payload(&mut envelope, |payload| {
            let header = payload.header.as_mut().unwrap();
            header.signature_header = encode(&common::SignatureHeader {
                creator: self.creator.clone(),
                nonce: Bytes::new(),
            });
        });
        envelope.signature = self.sign(&envelope.payload);
        envelope
    }
}

fn in_header(envelope: &Envelope) -> Header {
    let mut found = None;
    in_payload(&mut envelope.clone(), |payload| {
        found.clone_from(&payload.header);
    });
    Header::parse(found.unwrap()).unwrap()
}

/// Everything that a host answers, as text: code, text, details and metadata, or the message.
fn told<T: Message>(result: Result<T, Status>) -> String {
    match result {
        Ok(message) => format!("answered {}", message.encode_to_vec().escape_ascii()),
        Err(status) => {
            let mut metadata: BTreeMap<String, String> = BTreeMap::new();
            for (name, value) in status.metadata().clone().into_headers() {
                let name = name.map_or_else(String::new, |name| name.to_string());
                // When it answered, in seconds.
                if name != "date" {
                    metadata.insert(name, format!("{value:?}"));
                }
            }
            format!(
                "{:?} {:?} {metadata:?} \"{}\"",
                status.code(),
                status.message(),
                status.details().escape_ascii()
            )
        }
    }
}

/// The same for a stream: all of it.
async fn told_all<T: Message>(stream: Result<Streaming<T>, Status>) -> String {
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(status) => return told::<T>(Err(status)),
    };
    let mut all = Vec::new();
    loop {
        match within(stream.message()).await {
            Ok(Some(message)) => all.push(told(Ok(message))),
            Ok(None) => return format!("streamed {}", all.join("; ")),
            Err(status) => {
                all.push(told::<T>(Err(status)));
                return format!("streamed {}", all.join("; "));
            }
        }
    }
}

/// The same for a stream that may go on: the first of it.
async fn told_first<T: Message>(stream: Result<Streaming<T>, Status>) -> String {
    match stream {
        Ok(mut stream) => match within(stream.message()).await {
            Ok(message) => format!("streams {:?}", message.map(|message| told(Ok(message)))),
            Err(status) => format!("streams {}", told::<T>(Err(status))),
        },
        Err(status) => told::<T>(Err(status)),
    }
}

/// What is real on channel `cards`.
struct Real {
    endorsed: Envelope,
    tx_id: TxId,
    block_hash: Bytes,
}

/// Every call of a host about a channel, with what it answers.
async fn every_answer(
    raw: &Raw,
    asker: &Asker,
    real: &Real,
    channel: &str,
) -> Vec<(String, String)> {
    let mut answers: Vec<(String, String)> = Vec::new();
    let mut note = |call: &str, answer: String| answers.push((call.to_owned(), answer));
    for contract in ["cards", "nothing"] {
        let args: &[&str] = &["Parent:GetChildren"];
        let evaluated = raw.evaluate(asker.proposal(channel, contract, args)).await;
        note(
            &format!("Evaluate {contract}"),
            told(evaluated.map(|payload| common::Payload {
                header: None,
                data: payload,
            })),
        );
        let endorsed = raw.endorse(asker.proposal(channel, contract, args)).await;
        note(&format!("Endorse {contract}"), told(endorsed));
        let processed = raw
            .process_proposal(asker.proposal(channel, contract, args))
            .await;
        note(&format!("ProcessProposal {contract}"), told(processed));
    }
    let submitted = raw.submit(asker.envelope(&real.endorsed, channel)).await;
    note("Submit", told(submitted));
    let mut orderer = raw.orderer.clone();
    let envelope = tokio_stream::once(asker.envelope(&real.endorsed, channel));
    let statuses = within(orderer.broadcast(envelope)).await;
    let statuses = statuses.map(tonic::Response::into_inner);
    note("Broadcast", told_all(statuses).await);
    let mut update = asker.envelope(&real.endorsed, channel);
    in_envelope_channel_header(&mut update, |header| header.r#type = CONFIG);
    update.signature = asker.sign(&update.payload);
    let statuses = within(orderer.broadcast(tokio_stream::once(update))).await;
    let statuses = statuses.map(tonic::Response::into_inner);
    note("Broadcast configuration", told_all(statuses).await);

    let request = encode(&CommitStatusRequest {
        transaction_id: real.tx_id.to_string(),
        channel_id: channel.to_owned(),
        identity: asker.creator.clone(),
    });
    let signature = asker.sign(&request);
    let mut gateway = raw.gateway.clone();
    let status =
        within(gateway.commit_status(SignedCommitStatusRequest { request, signature })).await;
    note(
        "CommitStatus",
        told(status.map(tonic::Response::into_inner)),
    );
    let request = encode(&ChaincodeEventsRequest {
        channel_id: channel.to_owned(),
        chaincode_id: "cards".to_owned(),
        identity: asker.creator.clone(),
        start_position: Some(SeekPosition {
            r#type: Some(seek_position::Type::Specified(SeekSpecified { number: 0 })),
        }),
        ..ChaincodeEventsRequest::default()
    });
    let signature = asker.sign(&request);
    let events =
        within(gateway.chaincode_events(SignedChaincodeEventsRequest { request, signature })).await;
    note(
        "ChaincodeEvents",
        told_first(events.map(tonic::Response::into_inner)).await,
    );

    let seek = || tokio_stream::once(asker.seek(channel));
    let mut deliver = raw.deliver.clone();
    let blocks = within(deliver.deliver(seek()))
        .await
        .map(tonic::Response::into_inner);
    note("Deliver", told_all(blocks).await);
    let blocks = within(deliver.deliver_filtered(seek()))
        .await
        .map(tonic::Response::into_inner);
    note("DeliverFiltered", told_all(blocks).await);
    let blocks = within(deliver.deliver_with_private_data(seek()))
        .await
        .map(tonic::Response::into_inner);
    note("DeliverWithPrivateData", told_all(blocks).await);
    let blocks = within(orderer.deliver(seek())).await;
    let blocks = blocks.map(tonic::Response::into_inner);
    note("OrdererDeliver", told_all(blocks).await);

    let id = real.tx_id.to_string();
    // The channel is named by an argument; the proposal's own may be another one, or none.
    for (contract, function, arg) in [
        ("qscc", "GetChainInfo", None),
        ("qscc", "GetBlockByNumber", Some("0")),
        ("qscc", "GetBlockByTxID", Some(id.as_str())),
        ("qscc", "GetTransactionByID", Some(id.as_str())),
        ("qscc", "GetNothing", None),
        ("cscc", "GetChannelConfig", None),
        ("cscc", "GetConfigBlock", None),
    ] {
        let args: Vec<&str> = [function, channel].into_iter().chain(arg).collect();
        for own in [channel, REPORTS, ""] {
            let call = format!("{contract} {function} on {own:?}");
            let asked = raw
                .process_proposal(asker.proposal(own, contract, &args))
                .await;
            note(&format!("ProcessProposal {call}"), told(asked));
            let asked = raw.evaluate(asker.proposal(own, contract, &args)).await;
            note(
                &format!("Evaluate {call}"),
                told(asked.map(|data| common::Payload { header: None, data })),
            );
        }
    }
    // These are not about a channel, whatever is named.
    for (contract, function) in [
        ("cscc", "GetChannels"),
        ("cscc", "JoinChain"),
        ("lscc", "GetChaincodes"),
    ] {
        let args = [function, channel];
        for own in [channel, ""] {
            let asked = raw.process_proposal(asker.proposal(own, contract, &args));
            let answer = told(asked.await.map(|reply| reply.response.unwrap()));
            note(&format!("General {contract} {function} on {own:?}"), answer);
        }
    }
    let hash = Bytes::copy_from_slice(&real.block_hash);
    let (proposal_bytes, _) = NewProposal {
        channel,
        contract: "qscc",
        args: vec!["GetBlockByHash".into(), channel.to_owned().into(), hash],
        transient: BTreeMap::new(),
        creator: asker.creator.clone(),
        nonce: nonce(),
        timestamp: (now(), 0),
    }
    .build();
    let signature = asker.sign(&proposal_bytes);
    let asked = raw
        .evaluate(SignedProposal {
            proposal_bytes,
            signature,
        })
        .await;
    note(
        "Evaluate qscc GetBlockByHash",
        told(asked.map(|data| common::Payload { header: None, data })),
    );
    answers
}

/// Answers about `cards` are those about a channel that is not there.
fn compare(
    table: &mut Table,
    case: &str,
    cards: Vec<(String, String)>,
    unknown: Vec<(String, String)>,
) {
    assert_eq!(cards.len(), unknown.len());
    for ((call, found), (same, expected)) in cards.into_iter().zip(unknown) {
        let called = |text: &str| text.replace(UNKNOWN, CARDS);
        assert_eq!(called(&call), called(&same));
        // The contract is called cards too; whatever names the channel names it in its place.
        table.equal(
            &format!("{case}: {call}"),
            called(&found),
            called(&expected),
        );
    }
}

async fn real(network: &Network) -> Real {
    let cards = Stage::new(network, CARDS, "cards", &["parents/parent1"]);
    let child =
        |id: &str| json!({ "childId": id, "name": "Tom", "birthdate": "2019-05-14" }).to_string();
    let client = cards.client("parents/parent1");
    let done = cards
        .commits("parents/parent1", "Parent:RegisterChild", &[&child("one")])
        .await;
    cards.seen(done.tx_id).await;
    let call = cards.call("Parent:RegisterChild", &[&child("two")]);
    let prepared = client
        .endorse(client.propose(&call).unwrap())
        .await
        .unwrap();
    let reports = Stage::new(network, REPORTS, "reports", &["parents/parent1"]);
    let application = json!({
        "childId": "one", "childName": "Tom", "schoolOrg": "SchoolMSP", "school": "northside",
        "hospital": "HospitalMSP", "pediatrician": "pd1",
    });
    let application = [&application.to_string()[..]];
    reports
        .submits("parents/parent1", "Parent:ApplyForPlace", &application)
        .await;
    let standing = network.settled_on(CARDS).await;
    Real {
        endorsed: prepared.envelope,
        tx_id: done.tx_id,
        block_hash: standing.block_hash,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_others_a_channel_is_unknown() {
    let network = Network::start_town().await;
    let real = real(&network).await;
    let before = network.settled_everywhere().await;
    let mut table = Table::new();
    let honest = |name: &str| Asker::honest(name, network.signer(name));
    let askers = [
        honest("school/registrar1"),
        honest("school/admin"),
        honest("clinic/py2"),
        honest("clinic/admin"),
        Asker::honest("the school's host", host_signer(&network, SCHOOL)),
        Asker::honest("the clinic's host", host_signer(&network, CLINIC)),
    ];
    for host in ORGANIZATIONS {
        let raw = network.raw(host);
        for asker in &askers {
            let case = format!("{} at {host}", asker.name);
            let cards = every_answer(&raw, asker, &real, CARDS).await;
            let unknown = every_answer(&raw, asker, &real, UNKNOWN).await;
            // Where the asker is known, every answer says that there is no such channel.
            if knows(host, &asker.name) {
                for (call, answer) in &unknown {
                    let expected = expected_of(call);
                    table.contains(&format!("{case}: {call}"), answer, &expected);
                }
            }
            compare(&mut table, &case, cards, unknown);
        }
    }
    // Members of the channel who ask the hosts of others.
    for host in [SCHOOL, CLINIC] {
        let raw = network.raw(host);
        for asker in [
            honest("hospital/pd1"),
            honest("hospital/admin"),
            honest("parents/parent1"),
            Asker::honest("the hospital's host", host_signer(&network, HOSPITAL)),
        ] {
            let cards = every_answer(&raw, &asker, &real, CARDS).await;
            let unknown = every_answer(&raw, &asker, &real, UNKNOWN).await;
            compare(
                &mut table,
                &format!("{} at {host}", asker.name),
                cards,
                unknown,
            );
        }
    }
    table.equal(
        "nothing has changed",
        network.settled_everywhere().await,
        before,
    );
    // This can fail: a member is told more.
    let raw = network.raw(HOSPITAL);
    let member = honest("hospital/admin");
    let cards = every_answer(&raw, &member, &real, CARDS).await;
    let unknown = every_answer(&raw, &member, &real, UNKNOWN).await;
    let differing = cards
        .iter()
        .zip(&unknown)
        .filter(|(one, other)| one.1.replace(CARDS, UNKNOWN) != other.1);
    table.holds("a member's answers differ", differing.count() > 20);
}

/// Whether a host shares a channel with an asker's organisation, so that it knows its certificates.
fn knows(host: &str, asker: &str) -> bool {
    let school = asker.contains(SCHOOL);
    match host {
        HOSPITAL => true,
        PARENTS | SCHOOL => school,
        _ => !school,
    }
}

/// What is said of a channel that does not exist.
fn expected_of(call: &str) -> String {
    let said = format!("\"channel {UNKNOWN} is not known to this host\" {{");
    match call.split(' ').next().unwrap() {
        "CommitStatus" | "ChaincodeEvents" => "PermissionDenied \"access denied\" {".to_owned(),
        // Status NOT_FOUND of the stream: field 1, 404.
        "Deliver" | "DeliverFiltered" | "DeliverWithPrivateData" | "OrdererDeliver" => {
            "streamed answered \\x08\\x94\\x03".to_owned()
        }
        // Status BAD_REQUEST, then the sentence.
        "Broadcast" => {
            let said = format!("channel {UNKNOWN} is not known to this host");
            let length = [u8::try_from(said.len()).unwrap()];
            let length = length.escape_ascii();
            format!("streamed answered \\x08\\x90\\x03\\x12{length}{said}")
        }
        "General" => "answered ".to_owned(),
        "ProcessProposal" => format!("Unknown {said}"),
        _ => format!("FailedPrecondition {said}"),
    }
}

/// Somebody who is not who they say is told the same of a channel that is there and one that is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lies_learns_nothing() {
    let network = Network::start_town().await;
    let real = real(&network).await;
    let before = network.settled_everywhere().await;
    let mut table = Table::new();
    let school = network.signer("school/registrar1");
    let hospital = network.signer("hospital/pd1");
    let pem = |organization: &str, user: &str| {
        let path =
            format!("organizations/{organization}/users/{user}/msp/signcerts/{user}-cert.pem");
        fs::read_to_string(network.dir().join(path)).unwrap()
    };
    let (registrar, pediatrician) = (pem(SCHOOL, "registrar1"), pem(HOSPITAL, "pd1"));
    let spoilt = |name: &str, signer: &Arc<Signer>| Asker {
        spoils: true,
        ..Asker::honest(name, Arc::clone(signer))
    };
    let forged = |name: &str, msp_id: &str, pem: &str, signer: &Arc<Signer>| {
        Asker::forged(name, serialized_identity(msp_id, pem), Arc::clone(signer))
    };
    let askers = [
        forged(
            "the school's certificate, said to be the hospital's",
            "HospitalMSP",
            &registrar,
            &school,
        ),
        forged(
            "the school's certificate, said to be the parents'",
            "ParentsMSP",
            &registrar,
            &school,
        ),
        forged(
            "the school's certificate, said to be nobody's",
            "OtherMSP",
            &registrar,
            &school,
        ),
        forged(
            "the hospital's certificate, said to be the school's",
            "SchoolMSP",
            &pediatrician,
            &hospital,
        ),
        forged(
            "the hospital's certificate with the school's key",
            "HospitalMSP",
            &pediatrician,
            &school,
        ),
        forged("no certificate", "HospitalMSP", "", &school),
        Asker::forged(
            "no identity",
            Bytes::from_static(b"\xff\xff"),
            Arc::clone(&school),
        ),
        Asker::forged("nothing", Bytes::new(), Arc::clone(&school)),
        spoilt("a member with a signature over something else", &hospital),
        spoilt("another with a signature over something else", &school),
    ];
    for host in ORGANIZATIONS {
        let raw = network.raw(host);
        for asker in &askers {
            let cards = every_answer(&raw, asker, &real, CARDS).await;
            let unknown = every_answer(&raw, asker, &real, UNKNOWN).await;
            compare(
                &mut table,
                &format!("{} at {host}", asker.name),
                cards,
                unknown,
            );
        }
    }
    table.equal(
        "nothing has changed",
        network.settled_everywhere().await,
        before,
    );
}

/// A connection that shows the TLS certificate of an organisation's host, and the host's word for it.
struct AsHost {
    log: OrderingLogClient<Channel>,
    certificate: Vec<u8>,
    signer: Arc<Signer>,
}

impl AsHost {
    fn new(network: &Network, organization: &str, at: &str) -> Self {
        let read = |path: String| fs::read_to_string(network.dir().join(path)).unwrap();
        let tls = |file: &str| read(format!("organizations/{organization}/host/tls/{file}"));
        let root = read(format!("organizations/{at}/tlsca/tlsca-cert.pem"));
        let config = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(root))
            .identity(Identity::from_pem(tls("server.crt"), tls("server.key")))
            .domain_name(connection_text(network, at, "serverName"));
        let endpoint = Endpoint::from_shared(format!("https://{}", network.address(at))).unwrap();
        let certificate = cordon_identity::Certificate::from_pem(tls("server.crt").as_bytes());
        Self {
            log: OrderingLogClient::new(endpoint.tls_config(config).unwrap().connect_lazy()),
            certificate: certificate.unwrap().der().to_vec(),
            signer: host_signer(network, organization),
        }
    }

    fn request<T>(&self, channel: &str, message: T) -> Request<T> {
        let statement = HostCredentials::statement(&channel.parse().unwrap(), &self.certificate);
        let mut request = Request::new(message);
        let credentials = HostCredentials {
            creator: self.signer.serialized(),
            signature: self.signer.sign(&statement).unwrap(),
        };
        credentials.put(request.metadata_mut());
        request
    }

    /// The first that comes of a log.
    async fn read(&self, channel: &str) -> String {
        let message = ReadRequest {
            channel_id: channel.to_owned(),
            position: 0,
        };
        let stream = within(self.log.clone().read(self.request(channel, message))).await;
        told_first(stream.map(tonic::Response::into_inner)).await
    }

    /// What an appended envelope is answered.
    async fn append(&self, channel: &str, envelope: Bytes) -> String {
        let message = AppendRequest {
            channel_id: channel.to_owned(),
            envelope,
        };
        let stream = self.request(channel, tokio_stream::once(message));
        match within(self.log.clone().append(stream)).await {
            Ok(replies) => told_all(Ok(replies.into_inner())).await,
            Err(status) => told::<AppendRequest>(Err(status)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_have_no_way_to_the_log() {
    let network = Network::start_town().await;
    let real = real(&network).await;
    let before = network.settled_everywhere().await;
    let mut table = Table::new();
    let envelope = encode(&sign_envelope(
        &network.signer("parents/parent1"),
        real.endorsed.clone(),
    ));
    for organization in [SCHOOL, CLINIC] {
        for at in ORGANIZATIONS {
            // Elsewhere the TLS certificate of a stranger is not even taken.
            if !knows(at, organization) {
                continue;
            }
            let host = AsHost::new(&network, organization, at);
            let mut answers = Vec::new();
            for channel in [CARDS, UNKNOWN] {
                let case = format!("{organization} at {at}, {channel}");
                let told = [
                    host.read(channel).await,
                    host.append(channel, envelope.clone()).await,
                ];
                for told in &told {
                    let denied = told.contains("PermissionDenied \"access denied\" {")
                        && told.ends_with("} \"\"");
                    table.holds(&format!("{case}: {told}"), denied);
                }
                answers.push(told);
            }
            let case = format!("{organization} at {at}");
            table.equal(&case, &answers[0], &answers[1]);
        }
    }
    // The same key opens what is the school's.
    let host = AsHost::new(&network, SCHOOL, HOSPITAL);
    let read = host.read(REPORTS).await;
    table.contains("the school reads reports", &read, "Parent:ApplyForPlace");
    let parents = AsHost::new(&network, PARENTS, HOSPITAL).read(CARDS).await;
    table.contains("the parents read cards", &parents, "Parent:RegisterChild");
    table.equal(
        "nothing has changed",
        network.settled_everywhere().await,
        before,
    );
}
