//! Every version of a channel's configuration.

use anyhow::{Context as _, Result};
use cordon_channel::{ChannelConfig, valid_config};
use cordon_client::Client;
use cordon_identity::Certificate;
use cordon_wire::block::CommittedBlock;
use cordon_wire::decode;
use cordon_wire::proto::msp::SerializedIdentity;
use serde_json::{Value, json};
use similar::TextDiff;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::pretty;
use crate::ledger::block_bytes;
use crate::output::Output;
use crate::store::CallerArgs;

/// A configuration on the ledger.
pub(crate) struct Version {
    pub(crate) sequence: u64,
    pub(crate) block: u64,
    /// RFC 3339.
    pub(crate) time: String,
    /// Organisation and name of whoever submitted it; nobody for the channel's first.
    pub(crate) submitted_by: Option<String>,
    pub(crate) approved_by: Vec<String>,
    pub(crate) config: ChannelConfig,
}

impl Version {
    /// Who is behind it.
    pub(crate) fn who(&self) -> String {
        match &self.submitted_by {
            None => "with the channel, by whoever made it".to_owned(),
            Some(name) => format!("by {name}, approved by {}", self.approved_by.join(", ")),
        }
    }

    /// What programs read of it.
    pub(crate) fn to_json(&self, changed: &[String]) -> Value {
        json!({
            "version": self.sequence,
            "block": self.block,
            "time": self.time,
            "submittedBy": self.submitted_by,
            "approvedBy": self.approved_by,
            "changed": changed,
        })
    }
}

/// All versions of a channel's configuration, the first one first.
pub(crate) async fn versions(client: &Client, channel: &str) -> Result<Vec<Version>> {
    let last = CommittedBlock::parse(&block_bytes(client, channel, u64::MAX).await?)?;
    let mut versions = vec![version(client, channel, last.last_config).await?];
    while let Some(oldest) = versions.last().filter(|version| version.block > 0) {
        let before = block_bytes(client, channel, oldest.block - 1).await?;
        let number = CommittedBlock::parse(&before)?.last_config;
        versions.push(version(client, channel, number).await?);
    }
    versions.reverse();
    Ok(versions)
}

/// The configuration in block `number`.
async fn version(client: &Client, channel: &str, number: u64) -> Result<Version> {
    let block = block_bytes(client, channel, number).await?;
    if number == 0 {
        let config = ChannelConfig::from_genesis(&block)?;
        return Ok(Version {
            sequence: 0,
            block: 0,
            time: config.created.clone(),
            submitted_by: None,
            approved_by: Vec::new(),
            config,
        });
    }
    let (transaction, config) = valid_config(&block)
        .with_context(|| format!("block {number} does not hold a configuration"))?;
    let time = transaction.header.channel_header.timestamp;
    let time = time.context("a configuration has a time")?;
    let approvals = transaction.approvals.iter();
    Ok(Version {
        sequence: transaction.sequence,
        block: number,
        time: OffsetDateTime::from_unix_timestamp(time.seconds)?.format(&Rfc3339)?,
        submitted_by: Some(name(&transaction.header.creator)),
        approved_by: approvals.map(|approval| name(&approval.creator)).collect(),
        config,
    })
}

/// Organisation and name of an identity.
pub(super) fn name(creator: &bytes::Bytes) -> String {
    let Ok(identity) = decode::<SerializedIdentity>(creator, "identity") else {
        return "an identity that cannot be read".to_owned();
    };
    let certificate = Certificate::from_pem(&identity.id_bytes).ok();
    let name = certificate
        .as_ref()
        .and_then(|certificate| certificate.common_name())
        .unwrap_or_default();
    format!("{} {name}", identity.mspid)
}

pub(super) async fn history(caller: &CallerArgs, diff: bool, output: &Output) -> Result<()> {
    let channel = &caller.channel;
    let versions = versions(&caller.client()?, channel).await?;
    let mut lines = vec![format!("configurations of channel {channel}")];
    let mut values = Vec::new();
    let mut before: Option<&ChannelConfig> = None;
    for version in &versions {
        let changed = match before {
            Some(before) => changed(before, &version.config)?,
            None => Vec::new(),
        };
        lines.push(format!(
            "version {}  block {}  {}  {}",
            version.sequence,
            version.block,
            version.time,
            version.who()
        ));
        if !changed.is_empty() {
            lines.push(format!("  changed: {}", changed.join(", ")));
        }
        let mut value = version.to_json(&changed);
        if let Some(before) = before.filter(|_| diff) {
            let (before, after) = (pretty(before)?, pretty(&version.config)?);
            let text = TextDiff::from_lines(&before, &after)
                .unified_diff()
                .to_string();
            lines.push(text.trim_end().to_owned());
            value["diff"] = Value::String(text);
        }
        values.push(value);
        before = Some(&version.config);
    }
    let value = json!({ "channel": channel, "versions": values });
    output.result(&lines.join("\n"), &value);
    Ok(())
}

/// The parts of the document that differ.
fn changed(before: &ChannelConfig, after: &ChannelConfig) -> Result<Vec<String>> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    let parts = after.as_object().into_iter().flatten();
    Ok(parts
        .filter(|(name, value)| before.get(name) != Some(value))
        .map(|(name, _)| name.clone())
        .collect())
}
