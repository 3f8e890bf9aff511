//! The guests, and a network that has them all.
//!
//! A guest is a component as text. Lines that begin with `;;>` say what its calls are answered:
//! `Function ["argument", …] => STATUS: text`. An answer of more than 100 bytes stands there as its
//! length.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cordon_client::{Call, Client, ClientError};
use cordon_tests::{CHANNEL, CLINIC, Deployed, HOSPITAL, Network, REPORTS, town_with};

const BOTH: &str = "AND('HospitalMSP.peer','ClinicMSP.peer')";

/// A call of a guest.
pub(crate) struct Case {
    /// Guest and line, for a failure to name.
    pub(crate) name: String,
    pub(crate) call: Call,
    pub(crate) expected: String,
}

/// Text files below `tests/hostile`, with their names, in order.
pub(crate) fn sources(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("hostile")
        .join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let mut sources: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, path)
        })
        .collect();
    assert!(!sources.is_empty());
    sources.sort();
    sources
}

/// A component's bytes.
pub(crate) fn assembled(source: &Path) -> Vec<u8> {
    wat::parse_file(source).unwrap_or_else(|error| panic!("{error}"))
}

/// Every call that a guest's text names.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (guest, source) in sources("guests") {
        let text = fs::read_to_string(source).unwrap();
        let before = cases.len();
        for line in text.lines().filter_map(|line| line.strip_prefix(";;> ")) {
            let name = format!("{guest}: {line}");
            let (call, expected) = line.split_once(" => ").expect(&name);
            let (function, args) = call.split_once(' ').unwrap_or((call, "[]"));
            let args: Vec<String> = serde_json::from_str(args).expect(&name);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            cases.push(Case {
                call: Call::new(&guest, function, &args),
                expected: expected.trim_end().to_owned(),
                name,
            });
        }
        assert!(cases.len() > before, "{guest} has no calls");
    }
    cases
}

/// Both hosts of `providers`, with all guests there, and the prober, which asks other channels.
/// `canary` and `answers` are on `reports` too, and there `canary` again as `scanner`, which to the host
/// is another component.
pub(crate) async fn start() -> Network {
    let folder = tempfile::tempdir().unwrap();
    let mut deployed = Vec::new();
    let mut deploy = |channel, name: &str, bytes: &[u8], endorsement_policy| {
        let component = folder.path().join(format!("{name}.wasm"));
        fs::write(&component, bytes).unwrap();
        deployed.push(Deployed {
            channel,
            name: name.to_owned(),
            component,
            endorsement_policy,
        });
    };
    for (name, source) in sources("guests") {
        let mut bytes = assembled(&source);
        let endorsement_policy = match name.as_str() {
            // Two contracts of one transaction, for which different organisations must sign.
            "caller" => "OR('HospitalMSP.peer')",
            "book" => "OR('ClinicMSP.peer')",
            _ => BOTH,
        };
        deploy(CHANNEL, &name, &bytes, endorsement_policy);
        if ["answers", "canary"].contains(&name.as_str()) {
            deploy(REPORTS, &name, &bytes, "OR('HospitalMSP.peer')");
        }
        if name == "canary" {
            // An empty custom section named `x`.
            bytes.extend([0, 2, 1, b'x']);
            deploy(REPORTS, "scanner", &bytes, "OR('HospitalMSP.peer')");
        }
    }
    deployed.push(Deployed {
        channel: CHANNEL,
        name: "prober".to_owned(),
        component: Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hostile/prober.wasm"),
        endorsement_policy: BOTH,
    });
    let (file, _policies) = town_with(&deployed);
    let mut network = Network::provision_from(file, "warn");
    for organization in [HOSPITAL, CLINIC] {
        network.start_host(organization);
    }
    network.settled().await;
    network
}

/// What a client is answered, as cases have it.
pub(crate) fn told(answer: Result<Bytes, ClientError>) -> String {
    let text = match answer {
        Ok(answer) => match std::str::from_utf8(&answer) {
            Ok(text) if text.len() <= 100 => format!("200: {text}"),
            _ => format!("200: {} bytes", answer.len()),
        },
        Err(error) => match error.contract_refusal() {
            Some((status, text)) => format!("{status}: {text}"),
            None => error.to_string(),
        },
    };
    text.trim_end().to_owned()
}

/// The answer to a query.
pub(crate) async fn evaluated(client: &Client, call: &Call) -> String {
    told(client.evaluate(call).await)
}

/// The answer to a call that is to be submitted, which it is not. All who were asked must have said
/// the same.
pub(crate) async fn endorsed(client: &Client, call: &Call) -> String {
    let answer = client.endorse(client.propose(call).unwrap()).await;
    if let Err(ClientError::Status { details, .. }) = &answer {
        let first = details.first().map(|detail| &detail.message);
        let same = details.iter().all(|detail| Some(&detail.message) == first);
        assert!(same, "{details:?}");
    }
    told(answer.map(|prepared| prepared.answer))
}
