//! Nothing of a record is in anything that operators see.
//!
//! Marked values stand wherever callers can put one: arguments, function names, keys, values, attributes,
//! transient fields. Then everything that the hosts show is searched for them.

use bytes::Bytes;
use cordon_client::Call;
use cordon_tests::{
    CLINIC, HOSPITAL, Network, NetworkFile, cordon, emr_of, get, note, submit, town_text,
};

use crate::collector::Collector;
use crate::search::{Mark, Source, folder, size};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_record_is_seen() {
    let mark = Mark::new();
    let collector = Collector::start().await;
    let role = "{ name = \"py1\", attributes = { userRole = \"physician\"";
    let ward = format!("{role}, ward = \"{}\"", mark.value("attribute"));
    let town = town_text();
    assert!(town.contains(role));
    let town = NetworkFile::Text(town.replace(role, &ward));
    let mut network = Network::provision_from(town, "trace");
    for organization in [HOSPITAL, CLINIC] {
        collector.collect_from(&network, organization);
        network.start_host(organization);
    }
    network.settled().await;
    let mut sources = Vec::new();
    calls(&network, &mark).await;
    network.settled().await;

    for organization in [HOSPITAL, CLINIC] {
        for path in ["/metrics", "/healthz", "/readyz", "/version", "/logspec"] {
            let body = get(network.operations(organization), path).1;
            sources.push(Source::new(format!("{organization} {path}"), body));
        }
    }
    for form in [&["--json"][..], &[]] {
        let args = [&["status", "--dir", network.dir_text(), "--all"], form].concat();
        let shown = cordon(&args);
        sources.push(Source::new("status", shown.stdout + &shown.stderr));
    }
    for organization in [HOSPITAL, CLINIC] {
        let host = network.host(organization);
        assert!(host.stop("TERM").success(), "{organization}");
        sources.push(Source::new(format!("{organization} stdout"), host.stdout()));
        sources.push(Source::new(
            format!("{organization} log"),
            network.log(organization),
        ));
    }
    assert!(collector.spans().iter().any(|span| span.name == "execute"));
    sources.push(Source::new("spans", collector.text()));

    assert!(size(&sources) > 100_000, "logs say all that they can");
    let found = mark.find(&sources);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // They are where they belong.
    assert!(mark.is_in(&folder(&network.data(HOSPITAL, "channels"))));
}

async fn calls(network: &Network, mark: &Mark) {
    let (hc1, py1) = (
        network.client("hospital/hc1"),
        network.client("hospital/py1"),
    );
    let patient = mark.value("patient");
    submit(&hc1, "HealthCenter:CreateEmr", &[&emr_of(&patient)])
        .await
        .unwrap();
    let diagnosis = note(&patient, &mark.value("diagnosis"));
    submit(&py1, "Physician:AddEmrNote", &[&diagnosis])
        .await
        .unwrap();
    // Refused: it is there already; it is not there; no such function; no JSON; not permitted.
    for (function, argument) in [
        ("HealthCenter:CreateEmr".to_owned(), emr_of(&patient)),
        (
            "Physician:AddEmrNote".to_owned(),
            note(&mark.value("nobody"), "x"),
        ),
        (mark.value("function"), patient.clone()),
        ("HealthCenter:CreateEmr".to_owned(), mark.value("no JSON")),
        ("Physician:AddEmrNote".to_owned(), diagnosis.clone()),
    ] {
        let call = Call::new("emr", &function, &[&argument]);
        hc1.transact(&call).await.unwrap_err();
        hc1.evaluate(&call).await.unwrap_err();
    }
    let unknown = Call::new(&mark.value("contract"), "f", &[&patient]);
    hc1.evaluate(&unknown).await.unwrap_err();
    let registered = "HealthCenter:CheckIsPatientRegistered";
    let mut asked = Call::new("emr", registered, &[&patient]);
    let transient = Bytes::from(mark.value("transient"));
    asked.transient.insert(mark.value("field"), transient);
    hc1.evaluate(&asked).await.unwrap();
    // Two that read the same version: one of them is not valid, which is logged with its reason.
    let add = |text: &str| {
        Call::new(
            "emr",
            "Physician:AddEmrNote",
            &[&note(&patient, &mark.value(text))],
        )
    };
    let [first, second] = [add("first"), add("second")].map(|call| py1.propose(&call).unwrap());
    let prepared = [
        py1.endorse(first).await.unwrap(),
        py1.endorse(second).await.unwrap(),
    ];
    for prepared in &prepared {
        py1.submit(prepared).await.unwrap();
        py1.commit_status(prepared.tx_id).await.unwrap();
    }
    // An admin's call with an argument that is none.
    let level = Call::new("cordon", "LogLevel", &["\"no level\""]);
    network
        .client("hospital/admin")
        .evaluate(&level)
        .await
        .unwrap_err();
}
