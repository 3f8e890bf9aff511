//! The town, with everything in its ledgers that a replay has to get right.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cordon_client::Call;
use cordon_tests::{
    CARDS, CHANNEL, Cli, Deployed, Network, REPORTS, Stage, at_once, blocks_on, emr_of, note,
    town_with,
};
use cordon_types::{TxId, ValidationCode};
use cordon_wire::proposal::ENDORSER_TRANSACTION;
use cordon_wire::transaction::Envelope;
use serde_json::json;

pub(crate) const HC1: &str = "hospital/hc1";
pub(crate) const PY1: &str = "hospital/py1";
const PA1: &str = "hospital/pa1";
const PD1: &str = "hospital/pd1";
const PY2: &str = "clinic/py2";
const PARENT1: &str = "parents/parent1";
const REGISTRAR1: &str = "school/registrar1";

/// The town, with a contract on `providers` that asks for transient values.
pub(crate) struct Town {
    pub(crate) network: Network,
    pub(crate) emr: Stage,
    sharing: Stage,
    cards: Stage,
    reports: Stage,
    /// Access policies of `providers`.
    policies: tempfile::TempDir,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn prober() -> Vec<u8> {
    let path = root().join("target/hostile/prober.wasm");
    fs::read(path).expect("build the contracts first: make hostile")
}

impl Town {
    pub(crate) async fn start() -> Self {
        let (file, policies) = town_with(&[Deployed {
            channel: CHANNEL,
            name: "prober".to_owned(),
            component: root().join("target/hostile/prober.wasm"),
            endorsement_policy: "AND('HospitalMSP.peer','ClinicMSP.peer')",
        }]);
        let network = Network::start_all(file).await;
        let stage =
            |channel, contract, callers: &[&str]| Stage::new(&network, channel, contract, callers);
        Self {
            emr: stage(CHANNEL, "emr", &[HC1, PY1, PA1, PY2]),
            sharing: stage(CHANNEL, "sharing", &[HC1, PA1, PY2]),
            cards: stage(CARDS, "cards", &[PARENT1, HC1, PD1]),
            reports: stage(REPORTS, "reports", &[PARENT1, REGISTRAR1, PD1]),
            policies,
            network,
        }
    }

    /// Records, notes that race, a race that one loses, a late one that loses, and sharing by way
    /// of another contract.
    pub(crate) async fn providers(&self) {
        let Self { emr, sharing, .. } = self;
        let created = emr
            .submits(HC1, "HealthCenter:CreateEmr", &[&emr_of("pa1")])
            .await;
        let emr_id = created["emrId"].as_str().unwrap();
        let noted = |text: &str| emr.call("Physician:AddEmrNote", &[&note("pa1", text)]);
        let physician = emr.client(PY1);
        // Endorsed now, submitted at the end.
        let approve = sharing.call("Patient:ApproveEmrSharing", &["ClinicMSP"]);
        let racing = [(physician, noted("a")), (physician, noted("b"))];
        assert_eq!(at_once(&racing).await, [ValidationCode::Valid; 2]);
        let opens = || emr.call("HealthCenter:CreateEmr", &[&emr_of("pa2")]);
        let racing = [(emr.client(HC1), opens()), (emr.client(HC1), opens())];
        let mut codes = at_once(&racing).await;
        codes.sort();
        assert_eq!(codes[0], ValidationCode::Valid);
        assert_ne!(codes[1], ValidationCode::Valid);

        let authorize = "HealthCenter:AuthorizeEmrReading";
        sharing
            .submits(HC1, authorize, &["ClinicMSP", emr_id])
            .await;
        let patient = sharing.client(PA1);
        let late = patient.endorse(patient.propose(&approve).unwrap()).await;
        let late = late.unwrap();
        sharing
            .submits(PA1, "Patient:ApproveEmrSharing", &["ClinicMSP"])
            .await;
        let read = sharing
            .submits(PY2, "Physician:GetSharedEmr", &["HospitalMSP", "pa1"])
            .await;
        assert_eq!(read["emr"]["notes"].as_array().unwrap().len(), 2);
        emr.submits(PY1, "Physician:AddEmrNote", &[&note("pa1", "c")])
            .await;
        patient.submit(&late).await.unwrap();
        let (code, _) = patient.commit_status(late.tx_id).await.unwrap();
        assert_ne!(code, ValidationCode::Valid);
    }

    /// One that depends on what is on no ledger.
    pub(crate) async fn transient(&self) -> TxId {
        let mut call = Call::new("prober", "Probe:Transient", &["secret"]);
        call.transient
            .insert("secret".to_owned(), Bytes::from_static(b"whispered"));
        let receipt = self.emr.client(HC1).transact(&call).await.unwrap();
        assert_eq!(receipt.answer, "whispered");
        self.emr.seen(receipt.tx_id).await;
        receipt.tx_id
    }

    /// New access policies, which permit the same.
    pub(crate) fn configure(&self) {
        let folder = self.policies.path().join(CHANNEL);
        let file = folder.join("emr.cedar");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text + "// The same again.\n").unwrap();
        let folder = folder.to_str().unwrap();
        let admins = ["--as", "hospital/admin", "--as", "clinic/admin"];
        let done = self
            .network
            .cli(&[&["policy", "set"], &admins[..], &[folder]].concat());
        assert_eq!(done.code, 0, "{done:?}");
    }

    /// A card with a history that is read, and a report that asks the card. The report's transaction.
    pub(crate) async fn children(&self) -> TxId {
        let Self { cards, reports, .. } = self;
        let child = json!({ "childId": "tom", "name": "Tom Miller", "birthdate": "2019-05-14" });
        let agreement =
            json!({ "childId": "tom", "hospital": "HospitalMSP", "pediatrician": "pd1" });
        let assessment = |note: &str| {
            let value = json!({
                "childId": "tom", "assessedOn": "2026-11-02", "fitForSchool": true,
                "vaccinationsComplete": false, "note": note,
            });
            value.to_string()
        };
        let application = json!({
            "childId": "tom", "childName": "Tom Miller", "schoolOrg": "SchoolMSP",
            "school": "northside", "hospital": "HospitalMSP", "pediatrician": "pd1",
        });
        cards
            .submits(PARENT1, "Parent:RegisterChild", &[&child.to_string()])
            .await;
        cards
            .submits(PARENT1, "Parent:SignAgreement", &[&agreement.to_string()])
            .await;
        cards
            .submits(HC1, "HealthCenter:AcceptAgreement", &["tom"])
            .await;
        let assess = "Pediatrician:AddAssessment";
        cards.submits(PD1, assess, &[&assessment("one")]).await;
        // Endorsed on this state, ordered on a later one; a history is no read.
        let parent = cards.client(PARENT1);
        let history = cards.call("Parent:GetCardHistory", &["tom"]);
        let late = parent.endorse(parent.propose(&history).unwrap()).await;
        let late = late.unwrap();

        let place = ["tom", "SchoolMSP", "northside"];
        reports
            .submits(PARENT1, "Parent:ApplyForPlace", &[&application.to_string()])
            .await;
        reports
            .submits(REGISTRAR1, "Registrar:AcceptApplication", &["tom"])
            .await;
        reports
            .submits(REGISTRAR1, "Registrar:RequestReport", &["tom"])
            .await;
        let report = reports
            .commits(PD1, "Pediatrician:CreateReport", &place)
            .await;
        reports.seen(report.tx_id).await;
        reports
            .submits(PARENT1, "Parent:ApproveReport", &place)
            .await;

        cards.submits(PD1, assess, &[&assessment("two")]).await;
        cards.submits(PD1, assess, &[&assessment("three")]).await;
        parent.submit(&late).await.unwrap();
        parent.commit_status(late.tx_id).await.unwrap();
        report.tx_id
    }

    /// How many transactions of a channel are to be executed again.
    pub(crate) async fn executed(&self, channel: &str) -> usize {
        let admin = self.network.client_on(channel, "hospital/admin");
        let blocks = blocks_on(&admin, channel).await;
        let envelopes = blocks[1..].iter().flat_map(|block| &block.data);
        let calls = envelopes.filter(|envelope| {
            let envelope = Envelope::parse(envelope).unwrap();
            envelope.header.channel_header.r#type == ENDORSER_TRANSACTION
        });
        calls.count()
    }

    pub(crate) fn replay(&self, args: &[&str]) -> Cli {
        self.network.cli(&[&["ledger", "replay"], args].concat())
    }
}
