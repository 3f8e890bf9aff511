//! The ordering log takes what member hosts hand it, and they may hand it anything: every host must
//! give the same verdict on it and go on. Nobody else gets in.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;

use bytes::Bytes;
use cordon_identity::{Certificate as Certificate509, Signer, SigningKey};
use cordon_order::HostCredentials;
use cordon_tests::craft::{
    in_envelope_channel_header, in_payload, proposal, sign_envelope, tx_id_of_envelope,
};
use cordon_tests::{
    CHANNEL, HOSPITAL, Network, Table, blocks, create_emr, emr_of, eventually_async, state_of,
    within,
};
use cordon_types::ValidationCode;
use cordon_wire::encode;
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::cordon::ordering::v1::ordering_log_client::OrderingLogClient;
use cordon_wire::proto::cordon::ordering::v1::{AppendRequest, ReadRequest};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

/// A connection to the log that shows the certificate in `folder`, or none.
fn log(network: &Network, shows: Option<(&str, &str)>) -> OrderingLogClient<Channel> {
    let read = |path: String| fs::read_to_string(network.dir().join(path)).unwrap();
    let ca = read("organizations/hospital/tlsca/tlsca-cert.pem".to_owned());
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .domain_name("localhost");
    if let Some((folder, name)) = shows {
        let certificate = read(format!("organizations/{folder}/tls/{name}.crt"));
        let key = read(format!("organizations/{folder}/tls/{name}.key"));
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", network.address(HOSPITAL)));
    let channel = endpoint.unwrap().tls_config(tls).unwrap().connect_lazy();
    OrderingLogClient::new(channel)
}

/// What a signer says of the TLS certificate in `folder`.
fn vouched(network: &Network, signer: &Signer, (folder, name): (&str, &str)) -> HostCredentials {
    let path = network
        .dir()
        .join(format!("organizations/{folder}/tls/{name}.crt"));
    let certificate = Certificate509::from_pem(&fs::read(path).unwrap()).unwrap();
    let statement = HostCredentials::statement(&CHANNEL.parse().unwrap(), certificate.der());
    HostCredentials {
        creator: signer.serialized(),
        signature: signer.sign(&statement).unwrap(),
    }
}

/// The clinic's host, as it can sign.
fn clinic_host(network: &Network) -> Signer {
    let msp = network.dir().join("organizations/clinic/host/msp");
    let read = |path: &str| fs::read_to_string(msp.join(path)).unwrap();
    let key = SigningKey::from_pem(&read("keystore/priv_sk")).unwrap();
    let certificate = read("signcerts/host.clinic-cert.pem");
    Signer::new("ClinicMSP".parse().unwrap(), &certificate, key).unwrap()
}

/// Appends to a channel's log; what was refused.
async fn append(
    log: &OrderingLogClient<Channel>,
    credentials: Option<&HostCredentials>,
    channel: &str,
    envelope: Bytes,
) -> Result<String, Status> {
    let request = AppendRequest {
        channel_id: channel.to_owned(),
        envelope,
    };
    let mut requests = Request::new(futures::stream::iter([request]));
    if let Some(credentials) = credentials {
        credentials.put(requests.metadata_mut());
    }
    let mut replies = within(log.clone().append(requests)).await?.into_inner();
    let reply = within(replies.message()).await?;
    Ok(reply.expect("no reply").refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_may_append_anything_and_gains_nothing() {
    let network = Network::start().await;
    let raw = network.raw(HOSPITAL);
    let hc1 = network.signer("hospital/hc1");
    let client = network.client("hospital/hc1");
    let clinic = log(&network, Some(("clinic/host", "server")));
    let host = vouched(&network, &clinic_host(&network), ("clinic/host", "server"));
    let host = Some(&host);
    let mut table = Table::new();

    let honest = |patient: &'static str| {
        let (raw, hc1) = (raw.clone(), &hc1);
        async move {
            let signed = proposal(hc1, &["CreateEmr", &emr_of(patient)]);
            sign_envelope(hc1, raw.endorse(signed).await.unwrap())
        }
    };
    let stolen = honest("pa1").await;
    let tx_id = tx_id_of_envelope(&stolen);
    let unsigned = Envelope {
        signature: Bytes::new(),
        ..stolen.clone()
    };
    let mut forged = stolen.signature.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = Envelope {
        signature: forged.into(),
        ..stolen.clone()
    };
    let mut other_channel = honest("pa2").await;
    in_envelope_channel_header(&mut other_channel, |header| {
        header.channel_id = "records".to_owned();
    });
    let mut no_time = honest("pa2").await;
    in_envelope_channel_header(&mut no_time, |header| header.timestamp = None);
    let mut config = honest("pa2").await;
    in_envelope_channel_header(&mut config, |header| header.r#type = 1);
    let mut no_header = honest("pa2").await;
    in_payload(&mut no_header, |payload| payload.header = None);
    let genesis = blocks(&client).await[0].data[0].clone();
    let cases: Vec<(&str, Bytes, &str)> = vec![
        ("nothing", Bytes::new(), "NIL_ENVELOPE"),
        (
            "garbage",
            Bytes::from_static(b"\xff\xff\xff"),
            "INVALID_OTHER_REASON",
        ),
        (
            "payload that is none",
            encode(&Envelope {
                payload: Bytes::from_static(b"\xff"),
                signature: Bytes::new(),
            }),
            "BAD_PAYLOAD",
        ),
        (
            "no header",
            encode(&sign_envelope(&hc1, no_header)),
            "BAD_COMMON_HEADER",
        ),
        ("not signed", encode(&unsigned), "BAD_CREATOR_SIGNATURE"),
        (
            "not signed by its creator",
            encode(&forged),
            "BAD_CREATOR_SIGNATURE",
        ),
        (
            "for another channel",
            encode(&sign_envelope(&hc1, other_channel)),
            "INVALID_ENDORSER_TRANSACTION",
        ),
        (
            "without a time",
            encode(&sign_envelope(&hc1, no_time)),
            "INVALID_ENDORSER_TRANSACTION",
        ),
        (
            "an altered type",
            encode(&sign_envelope(&hc1, config)),
            "INVALID_CONFIG_TRANSACTION",
        ),
        ("block 0 once more", genesis, "INVALID_CONFIG_TRANSACTION"),
    ];
    let before = network.settled().await;
    for (index, (case, envelope, code)) in (0..).zip(cases) {
        let appended = append(&clinic, host, CHANNEL, envelope).await;
        table.equal(
            case,
            appended.map_err(|status| status.to_string()),
            Ok(String::new()),
        );
        let number = before.height + index;
        eventually_async("it is in a block", async || {
            (network.settled().await.height > number).then_some(())
        })
        .await;
        let chain = blocks(&client).await;
        let codes: Vec<_> = chain[usize::try_from(number).unwrap()]
            .codes
            .iter()
            .map(|c| c.name())
            .collect();
        table.equal(case, codes, vec![code]);
    }
    // Copies that nobody signed have not used up the id: the transaction itself still takes effect.
    raw.submit(stolen).await.unwrap();
    let (code, _) = client.commit_status(tx_id).await.unwrap();
    table.equal("its owner's", code, ValidationCode::Valid);
    network.settled().await;
    let there = blocks(&network.client("clinic/hc2")).await;
    let places: Vec<_> = state_of(&there, &tx_id.to_string())
        .iter()
        .map(|place| place.1)
        .collect();
    table.equal(
        "places",
        places,
        vec!["BAD_CREATOR_SIGNATURE", "BAD_CREATOR_SIGNATURE", "VALID"],
    );
    // And all is well.
    table.holds("an honest one", create_emr(&client, "pa3").await.is_ok());
    network.settled().await;
    let verified = network.cli(&["ledger", "verify", "--as", "clinic/hc2"]);
    table.equal("verify", (verified.code, verified.stderr.as_str()), (0, ""));

    let too_large = Bytes::from(vec![0; (12 << 20) + 1]);
    let found = append(&clinic, host, CHANNEL, too_large).await.unwrap();
    table.contains("too large", &found, "at most 12582912 are allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_member_hosts_reach_the_log() {
    let network = Network::start().await;
    let before = network.settled().await;
    let mut table = Table::new();
    let of_clinic = clinic_host(&network);
    let host_tls = ("clinic/host", "server");
    let patient_tls = ("hospital/users/pa1", "client");
    let admin_tls = ("clinic/users/admin", "client");
    let patient = network.signer("hospital/pa1");
    let host_credentials = vouched(&network, &of_clinic, host_tls);
    for (case, shows, credentials) in [
        ("nobody", None, None),
        ("nobody, as the host", None, Some(host_credentials.clone())),
        ("a patient", Some(patient_tls), None),
        (
            "a patient, vouched by herself",
            Some(patient_tls),
            Some(vouched(&network, &patient, patient_tls)),
        ),
        (
            "a patient, with what a host said",
            Some(patient_tls),
            Some(host_credentials.clone()),
        ),
        (
            "another's certificate, vouched by a host",
            Some(patient_tls),
            Some(vouched(&network, &of_clinic, patient_tls)),
        ),
        ("an admin", Some(admin_tls), None),
        (
            "an admin, with what its host said",
            Some(admin_tls),
            Some(host_credentials.clone()),
        ),
        ("a host without a word", Some(host_tls), None),
    ] {
        let log = log(&network, shows);
        let found = append(
            &log,
            credentials.as_ref(),
            CHANNEL,
            Bytes::from_static(b"x"),
        )
        .await;
        table.equal(
            &format!("{case}, append"),
            found.map_err(|status| status.code()),
            Err(Code::PermissionDenied),
        );
        let mut request = Request::new(ReadRequest {
            channel_id: CHANNEL.to_owned(),
            position: 0,
        });
        if let Some(credentials) = &credentials {
            credentials.put(request.metadata_mut());
        }
        let found = within(log.clone().read(request)).await;
        table.equal(
            &format!("{case}, read"),
            found.map(drop).map_err(|status| status.code()),
            Err(Code::PermissionDenied),
        );
    }
    let clinic = log(&network, Some(host_tls));
    for channel in ["records", ""] {
        let found = append(
            &clinic,
            Some(&host_credentials),
            channel,
            Bytes::from_static(b"x"),
        )
        .await;
        table.equal(
            "another channel",
            found.map_err(|status| status.code()),
            Err(Code::PermissionDenied),
        );
    }
    table.equal("nothing has changed", network.settled().await, before);
}
