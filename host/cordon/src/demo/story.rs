//! How a story is told: who does what, what is answered, and in which block it ended up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use cordon_client::{Call, Client};
use serde_json::Value;

use crate::network::{ChannelEntry, Network};
use crate::output::Output;
use crate::{ledger, store};

/// Characters of an answer that are shown.
const SHOWN_MAX: usize = 140;

/// A story on a running network.
pub(super) struct Story<'a> {
    pub(super) dir: PathBuf,
    network: &'a Network,
    pub(super) output: Output,
    step: usize,
}

/// The contract that a part of a story is about.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub(super) channel: &'static str,
    pub(super) contract: &'static str,
}

/// One call in a story.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    /// `organisation/user`.
    pub(super) who: &'a str,
    /// What that person does, in words.
    pub(super) what: &'a str,
    pub(super) function: &'a str,
    pub(super) args: &'a [&'a str],
    /// Whether it is one of the steps that the published story counts.
    pub(super) counts: bool,
}

impl Step<'_> {
    /// The same, told beside the story.
    pub(super) const fn aside(self) -> Self {
        Self {
            counts: false,
            ..self
        }
    }
}

pub(super) const fn step<'a>(
    who: &'a str,
    what: &'a str,
    function: &'a str,
    args: &'a [&'a str],
) -> Step<'a> {
    Step {
        who,
        what,
        function,
        args,
        counts: true,
    }
}

impl<'a> Story<'a> {
    pub(super) fn new(network: &'a Network, dir: &Path, output: &Output) -> Self {
        Self {
            dir: dir.to_owned(),
            network,
            output: output.clone(),
            step: 0,
        }
    }

    pub(super) fn title(&mut self, title: &str) {
        self.step = 0;
        self.output.note(&format!("\n{title}\n"));
    }

    pub(super) fn client(&self, stage: Stage, who: &str) -> Result<Client> {
        let (organization, user) = who.split_once('/').context("organisation/user")?;
        store::client(&self.dir, organization, user, stage.channel)
    }

    fn begin(&mut self, stage: Stage, step: Step<'_>) -> Result<(Client, Call)> {
        let number = if step.counts {
            self.step += 1;
            format!("{:>2}.", self.step)
        } else {
            "  –".to_owned()
        };
        self.output
            .note(&format!("{number} {} {}", step.who, step.what));
        let call = Call::new(stage.contract, step.function, step.args);
        Ok((self.client(stage, step.who)?, call))
    }

    fn at(&self, step: Step<'_>) -> String {
        format!(
            "after step {}: {} as {}",
            self.step, step.function, step.who
        )
    }

    /// A step that changes something.
    pub(super) async fn submits(&mut self, stage: Stage, step: Step<'_>) -> Result<Value> {
        let (client, call) = self.begin(stage, step)?;
        let receipt = client
            .transact(&call)
            .await
            .with_context(|| self.at(step))?;
        let organization = step.who.split('/').next().unwrap_or_default();
        let admin = self.client(stage, &format!("{organization}/admin"))?;
        let endorsers = ledger::endorsers(&admin, stage.channel, receipt.tx_id).await?;
        let names: Vec<&str> = endorsers
            .iter()
            .map(|msp_id| msp_id.trim_end_matches("MSP"))
            .collect();
        self.committed_everywhere(stage, receipt.block).await?;
        let answer = parse(&receipt.answer)?;
        self.output.note(&format!(
            "    {} → {}\n    endorsed by {}, committed in block {} of {}",
            step.function,
            short(&answer),
            names.join(" and "),
            receipt.block,
            stage.channel
        ));
        Ok(answer)
    }

    /// Waits until every member's host has a block: the next step may ask another one.
    async fn committed_everywhere(&self, stage: Stage, block: u64) -> Result<()> {
        let channels = self.network.channels.iter();
        let channel = channels.filter(|channel| channel.name == stage.channel);
        for organization in channel.flat_map(|channel| &channel.organizations) {
            let admin = self.client(stage, &format!("{organization}/admin"))?;
            while ledger::height(&admin, stage.channel).await? <= block {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Ok(())
    }

    /// A step that asks.
    pub(super) async fn asks(&mut self, stage: Stage, step: Step<'_>) -> Result<Value> {
        let (client, call) = self.begin(stage, step)?;
        let answer = client
            .evaluate(&call)
            .await
            .with_context(|| self.at(step))?;
        let answer = parse(&answer)?;
        self.output
            .note(&format!("    {} → {}", step.function, short(&answer)));
        Ok(answer)
    }

    /// A step that must be refused with `status`.
    pub(super) async fn refused(
        &mut self,
        stage: Stage,
        step: Step<'_>,
        status: i32,
    ) -> Result<()> {
        let (client, call) = self.begin(stage, step.aside())?;
        let Err(error) = client.transact(&call).await else {
            bail!("{} must be refused, and was not", self.at(step));
        };
        match error.contract_refusal() {
            Some((found, sentence)) if found == status => {
                let function = step.function;
                self.output
                    .note(&format!("    {function} → refused, {status}: {sentence}"));
                Ok(())
            }
            _ => Err(error).with_context(|| {
                let at = self.at(step);
                format!("{at} must be refused with {status}")
            }),
        }
    }

    /// All members' hosts must be at the same block with the same state, and the chain must verify.
    pub(super) async fn compare_hosts(&self, channel: &ChannelEntry) -> Result<Value> {
        let mut infos = Vec::new();
        for organization in &channel.organizations {
            let client = store::client(&self.dir, organization, "admin", &channel.name)?;
            infos.push((ledger::info(&client, &channel.name).await?, client));
        }
        let highest = infos.iter().map(|(info, _)| info.height).max();
        let highest = highest.context("a channel has members")?;
        for (info, client) in &mut infos {
            // Clients waited for the host they talk to; others may be a block behind.
            while info.height < highest {
                tokio::time::sleep(Duration::from_millis(5)).await;
                *info = ledger::info(client, &channel.name).await?;
            }
        }
        let (info, client) = infos.first().context("a channel has members")?;
        for (other, _) in &infos {
            ensure!(
                other == info,
                "the hosts' ledgers of channel {} differ: {info:?}, {other:?}",
                channel.name
            );
        }
        let chain = ledger::verify(client, &channel.name).await?;
        let hosts: Vec<&str> = channel
            .organizations
            .iter()
            .filter_map(|name| self.network.organization(name))
            .map(|organization| organization.msp_id.trim_end_matches("MSP"))
            .collect();
        self.output.note(&format!(
            "  {}: {} blocks, block hash {}…, state digest {}…: the same on {}\n    verified from block 0: {} transactions, every hash, signature, endorsement policy and verdict",
            channel.name,
            info.height,
            &info.hash[..16],
            &info.state_digest[..16],
            hosts.join(" and "),
            chain.transactions()
        ));
        Ok(info.to_json())
    }
}

/// JSON; an answer that is none is a text, which stands for itself.
fn parse(answer: &[u8]) -> Result<Value> {
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(answer) {
        Ok(value) => Ok(value),
        Err(_) => Ok(Value::String(std::str::from_utf8(answer)?.to_owned())),
    }
}

pub(super) fn text_of(value: &Value, field: &str) -> Result<String> {
    Ok(value[field]
        .as_str()
        .with_context(|| format!("no {field} in the answer"))?
        .to_owned())
}

/// An answer in one line.
fn short(value: &Value) -> String {
    if value.is_null() {
        return "done".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
