//! `cordon demo`: the published story "Managing an EMR", told with real calls on a network of its
//! own. Every step is checked; the exit code is 0 only if each did what the story says.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use cordon_client::{Call, Client, ClientError};
use serde_json::{Value, json};

use crate::network::Network;
use crate::output::Output;
use crate::provision::provision;
use crate::scratch::{Scratch, free_ports};
use crate::up::RunningNetwork;
use crate::{ledger, load, store};

const CHANNEL: &str = "providers";

/// Where the demo finds its network.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// The network file.
    #[arg(long, default_value = "policies/town.toml", value_name = "FILE")]
    network: PathBuf,
    /// Length of the short load at the end, in seconds.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    load_seconds: u64,
}

pub(crate) async fn demo(args: &DemoArgs, output: &Output) -> Result<()> {
    let scratch = Scratch::new("demo")?;
    let (mut network, text) = Network::read(&args.network)?;
    network.move_ports(free_ports(network.organizations.len())?)?;
    let provisioned = provision(&network, &text, scratch.path())?;
    let running = RunningNetwork::start(&network, &provisioned, scratch.path()).await?;
    output.note("A network of two organisations is up: Hospital and Clinic, one host each.\n");
    let told = tell(&scratch, args, output).await;
    running.stop().await?;
    let summary = told?;
    output.result("\nEvery step did what the story says.", &summary);
    Ok(())
}

async fn tell(scratch: &Scratch, args: &DemoArgs, output: &Output) -> Result<Value> {
    let mut story = Story {
        dir: scratch.path().to_owned(),
        step: 0,
        output: output.clone(),
    };
    output.note("MANAGING AN EMR\n");

    let ann = json!({
        "patientId": "pa1", "patientName": "Ann Miller", "patientBirthdate": "10-03",
    })
    .to_string();
    let emr = story
        .submits(
            "hospital/hc1",
            "registers a patient",
            "HealthCenter:CreateEmr",
            &[&ann],
        )
        .await?;
    let emr_id = text_of(&emr, "emrId")?;
    story
        .refused(
            "hospital/hc1",
            "registers her a second time",
            "HealthCenter:CreateEmr",
            &[&ann],
            409,
        )
        .await?;
    let registered = story
        .asks(
            "hospital/hc1",
            "asks whether she is registered",
            "HealthCenter:CheckIsPatientRegistered",
            &["pa1"],
        )
        .await?;
    ensure!(registered == json!(true), "she must be registered");
    let read = story
        .asks(
            "hospital/py1",
            "reads the record",
            "Physician:ReadEmr",
            &[&emr_id],
        )
        .await?;
    ensure!(
        text_of(&read, "patientName")? == "Ann Miller",
        "the record must be hers"
    );
    for (area, diagnosis) in [("Cardiology", "Arrhythmia"), ("Dermatology", "Eczema")] {
        let note = json!({
            "patientId": "pa1", "area": area, "vitalSigns": "120/80, 36.6 °C",
            "diagnosis": diagnosis, "medication": "as prescribed",
        });
        story
            .submits(
                "hospital/py1",
                &format!("adds a note ({area})"),
                "Physician:AddEmrNote",
                &[&note.to_string()],
            )
            .await?;
    }
    let own = story
        .asks(
            "hospital/pa1",
            "reads her own record",
            "Patient:GetOwnEmr",
            &[],
        )
        .await?;
    let notes = own["notes"].as_array().context("a record has notes")?;
    ensure!(notes.len() == 2, "both notes must be in it");
    let visits = story
        .asks(
            "hospital/pa1",
            "counts her visits",
            "Patient:GetMedicalVisitsCount",
            &[],
        )
        .await?;
    ensure!(visits == json!(2), "two visits");

    output.note("\nWHAT IS REFUSED, AND WHY\n");
    let by_patient = ("Physician:GetEmrByPatientId", "pa1");
    story
        .refused(
            "clinic/py2",
            "looks for her record",
            by_patient.0,
            &[by_patient.1],
            404,
        )
        .await?;
    story
        .refused(
            "clinic/py2",
            "tries the record's id",
            "Physician:ReadEmr",
            &[&emr_id],
            404,
        )
        .await?;
    let note = json!({ "patientId": "pa1", "area": "Self-help" }).to_string();
    story
        .refused(
            "hospital/pa1",
            "writes a note herself",
            "Physician:AddEmrNote",
            &[&note],
            403,
        )
        .await?;
    story
        .refused(
            "hospital/pa1",
            "asks for another patient's record",
            "Patient:GetEmrByPatientId",
            &["pa9"],
            403,
        )
        .await?;
    let nameless = json!({ "patientId": "pa2", "patientBirthdate": "01-01" }).to_string();
    story
        .refused(
            "hospital/hc1",
            "leaves out the name",
            "HealthCenter:CreateEmr",
            &[&nameless],
            400,
        )
        .await?;

    output.note("\nWHAT IS ON THE LEDGERS\n");
    let agreed = story.compare_hosts().await?;

    output.note("\nA SHORT LOAD ON THIS MACHINE (clients included)\n");
    let client = store::client(scratch.path(), "hospital", "hc1", CHANNEL)?;
    let clients = vec![client; 32];
    let time = Duration::from_secs(args.load_seconds);
    let create = load::run(&clients, load::Kind::Commit, time, |n| {
        load::create_emr("load", n)
    })
    .await?;
    output.note(&format!(
        "  {:.0} records created and committed per second by 32 clients, p50 {:.1} ms, p99 {:.1} ms",
        create.per_second, create.p50_ms, create.p99_ms
    ));
    let check = |_| Call::new("emr", "HealthCenter:CheckIsPatientRegistered", &["pa1"]);
    let read = load::run(&clients, load::Kind::Evaluate, time / 2, check).await?;
    output.note(&format!(
        "  {:.0} queries per second by 32 clients, p50 {:.1} ms, p99 {:.1} ms",
        read.per_second, read.p50_ms, read.p99_ms
    ));
    let after = story.compare_hosts().await?;
    Ok(json!({ "story": agreed, "load": { "create": create, "read": read }, "after": after }))
}

struct Story {
    dir: PathBuf,
    step: usize,
    output: Output,
}

impl Story {
    fn begin(&mut self, who: &str, what: &str) -> Result<Client> {
        self.step += 1;
        self.output.note(&format!("{:>2}. {who} {what}", self.step));
        let (organization, user) = who.split_once('/').context("organisation/user")?;
        store::client(&self.dir, organization, user, CHANNEL)
    }

    async fn submits(
        &mut self,
        who: &str,
        what: &str,
        function: &str,
        args: &[&str],
    ) -> Result<Value> {
        let client = self.begin(who, what)?;
        let receipt = client
            .transact(&Call::new("emr", function, args))
            .await
            .with_context(|| format!("step {}: {function}", self.step))?;
        let answer: Value = serde_json::from_slice(&receipt.answer)?;
        let line = format!("    {function} → {}", short(&answer));
        self.output.note(&format!(
            "{line}\n    endorsed by Hospital and Clinic, committed in block {}",
            receipt.block
        ));
        Ok(answer)
    }

    async fn asks(
        &mut self,
        who: &str,
        what: &str,
        function: &str,
        args: &[&str],
    ) -> Result<Value> {
        let client = self.begin(who, what)?;
        let answer = client
            .evaluate(&Call::new("emr", function, args))
            .await
            .with_context(|| format!("step {}: {function}", self.step))?;
        let answer: Value = serde_json::from_slice(&answer)?;
        self.output
            .note(&format!("    {function} → {}", short(&answer)));
        Ok(answer)
    }

    /// A step that must be refused with `status`.
    async fn refused(
        &mut self,
        who: &str,
        what: &str,
        function: &str,
        args: &[&str],
        status: i32,
    ) -> Result<()> {
        let client = self.begin(who, what)?;
        let error: ClientError = match client.transact(&Call::new("emr", function, args)).await {
            Err(error) => error,
            Ok(_) => bail!(
                "step {}: {function} must be refused, and was not",
                self.step
            ),
        };
        match error.contract_refusal() {
            Some((found, sentence)) if found == status => {
                self.output
                    .note(&format!("    {function} → refused, {status}: {sentence}"));
                Ok(())
            }
            _ => Err(error)
                .with_context(|| format!("step {}: must be refused with {status}", self.step)),
        }
    }

    /// Both hosts must be at the same block with the same state, and the chain must verify.
    async fn compare_hosts(&mut self) -> Result<Value> {
        let hospital = store::client(&self.dir, "hospital", "admin", CHANNEL)?;
        let clinic = store::client(&self.dir, "clinic", "admin", CHANNEL)?;
        let mut infos = (
            ledger::info(&hospital, CHANNEL).await?,
            ledger::info(&clinic, CHANNEL).await?,
        );
        // The client waited for the host it talks to; the other one may be a block behind.
        while infos.0.height != infos.1.height {
            tokio::time::sleep(Duration::from_millis(5)).await;
            infos = (
                ledger::info(&hospital, CHANNEL).await?,
                ledger::info(&clinic, CHANNEL).await?,
            );
        }
        ensure!(infos.0 == infos.1, "the hosts' ledgers differ: {infos:?}");
        let chain = ledger::verify(&clinic, CHANNEL).await?;
        self.output.note(&format!(
            "  Hospital and Clinic: {} blocks, block hash {}…, state digest {}…: the same on both",
            infos.0.height,
            &infos.0.hash[..16],
            &infos.0.state_digest[..16],
        ));
        self.output.note(&format!(
            "  verified from block 0: {} transactions, every hash, signature, endorsement policy and verdict",
            chain.transactions()
        ));
        Ok(infos.0.to_json())
    }
}

fn text_of(value: &Value, field: &str) -> Result<String> {
    Ok(value[field]
        .as_str()
        .with_context(|| format!("no {field} in the answer"))?
        .to_owned())
}

/// An answer in one line.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(140) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
