//! `cordon contract dev`: build and deploy on every save, and show the contract's calls between.

mod calls;
mod saves;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use cordon_types::ContractId;
use serde_json::{Value, json};

use super::deploy::{DeployArgs, Deployed, deploy_with};
use super::folder::Folder;
use crate::output::Output;
use crate::up::Interrupts;
use calls::Calls;
use saves::Saves;

/// Which contract, and where it is deployed.
#[derive(Args)]
pub(crate) struct DevArgs {
    /// The contract's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// The network's folder, with the keys of every member's admin.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// The channel.
    #[arg(long, default_value = "providers")]
    channel: String,
    /// The contract's name on the channel; that of its package if left out.
    #[arg(long)]
    name: Option<String>,
    /// Who must endorse, in Fabric's syntax; if left out, as before, and at first as the channel says.
    #[arg(long, value_name = "POLICY")]
    endorsement_policy: Option<String>,
}

pub(super) async fn dev(args: &DevArgs, output: &Output) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let folder = Folder::open(&args.folder, false)?;
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| folder.name().to_owned());
    let _: ContractId = name
        .parse()
        .context("the contract's name on the channel; --name gives another one")?;
    let saves = Saves::watch(&args.folder)?;
    let calls = Calls::new(&args.dir, &args.channel, &name, output);
    let mut rounds = Rounds {
        args,
        folder: Arc::new(folder),
        name,
        saves,
        output,
    };
    tokio::select! {
        () = interrupts.next() => {
            output.note("stopping; what is in force stays so");
            Ok(())
        }
        ended = rounds.run() => ended,
        () = calls.show() => Ok(()),
    }
}

struct Rounds<'a> {
    args: &'a DevArgs,
    folder: Arc<Folder>,
    name: String,
    saves: Saves,
    output: &'a Output,
}

impl Rounds<'_> {
    async fn run(&mut self) -> Result<()> {
        let (mut since, mut what) = (Instant::now(), "start");
        loop {
            let sources = self.saves.sources()?;
            let again = match self.round().await {
                Ok(deployed) => {
                    let seconds = since.elapsed().as_secs_f64();
                    let text = format!("{}, {seconds:.2} s after the {what}", deployed.text);
                    let mut value = deployed.value;
                    value["event"] = json!("inForce");
                    value["seconds"] = json!(seconds);
                    self.output.result(&text, &value);
                    false
                }
                Err(failed) => self.tell(&failed),
            };
            // What was saved meanwhile is a change, too.
            loop {
                since = self.saves.next().await?;
                if again || self.saves.sources()? != sources {
                    break;
                }
            }
            what = "save";
        }
    }

    async fn round(&self) -> Result<Deployed, Failed> {
        let folder = Arc::clone(&self.folder);
        // Cargo, for as long as it takes.
        let built = tokio::task::spawn_blocking(move || folder.build(&[])).await;
        let built = built.map_err(anyhow::Error::from).and_then(|built| built);
        let file = built.map_err(Failed::Build)?.into_iter().next();
        let file = file.unwrap_or_default();
        let policies = self
            .args
            .folder
            .join(format!("{}.cedar", self.folder.name()));
        let policies = policies.is_file().then_some(policies);
        if policies.is_none() {
            self.output.note(&format!(
                "note: there is no {}.cedar, so the access policies in force stay as they are; without any, nobody may call the contract",
                self.folder.name()
            ));
        }
        let args = DeployArgs {
            dir: self.args.dir.clone(),
            channel: self.args.channel.clone(),
            file,
            name: Some(self.name.clone()),
            version: None,
            endorsement_policy: self.args.endorsement_policy.clone(),
            access_policies: policies,
        };
        deploy_with(&args, &|_| {}).await.map_err(Failed::Deploy)
    }

    /// Tells what went wrong; whether the same sources may succeed the next time.
    fn tell(&self, failed: &Failed) -> bool {
        let (error, what, again) = match failed {
            Failed::Build(error) => (error, "not built", false),
            Failed::Deploy(error) => (error, "not deployed", true),
        };
        self.output.error(error);
        let value: Value = json!({ "event": "failed", "what": what, "name": self.name });
        self.output.result(
            &format!(
                "contract {} was {what}; waiting for the next save",
                self.name
            ),
            &value,
        );
        again
    }
}

/// Where a round ended.
enum Failed {
    Build(anyhow::Error),
    Deploy(anyhow::Error),
}
