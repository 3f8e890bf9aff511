//! A proposal to change a channel's configuration: a file that members pass on and sign.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use cordon_channel::{Channel, ChannelConfig};
use cordon_client::{Call, Client, approve};
use cordon_policy::AccessPolicies;
use cordon_types::ContractId;
use cordon_wire::config::config_update;
use cordon_wire::decode;
use cordon_wire::proto::common::{ConfigSignature, SignatureHeader};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use similar::TextDiff;

use super::history::name;
use super::{InForce, from_base64, pretty, to_base64};
use crate::material;
use crate::output::Output;

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Proposal {
    pub(crate) channel: String,
    /// Number of the configuration that this becomes.
    pub(crate) version: u64,
    pub(crate) config: ChannelConfig,
    pub(crate) signatures: Vec<Signature>,
}

/// A member's approval in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Signature {
    /// Organisation and name, for people; the certificate counts.
    by: String,
    /// Base64.
    header: String,
    /// Base64.
    signature: String,
}

impl Proposal {
    /// What `next` would be after what is in force.
    pub(crate) fn new(now: &InForce, next: ChannelConfig) -> Result<Self> {
        let proposal = Self {
            channel: now.config.channel.clone(),
            version: now.sequence + 1,
            config: next,
            signatures: Vec::new(),
        };
        ensure!(
            proposal.config != now.config,
            "there is nothing to change: it is the configuration in force"
        );
        Ok(proposal)
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        serde_json::from_str(&material::read(path)?).with_context(|| {
            format!(
                "{} is not a proposal: `cordon channel propose` writes one",
                path.display()
            )
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        material::write(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// Everything that a host would refuse, before anybody signs; the difference from what is in
    /// force.
    pub(crate) async fn check(&self, client: &Client, now: &InForce) -> Result<String> {
        let next = now.sequence + 1;
        ensure!(
            self.version == next,
            "the proposal is for version {} of the configuration of channel {}, and the next is {next}: propose it again on what is in force",
            self.version,
            self.channel
        );
        if let Err(reason) = now.config.check_next(&self.config) {
            bail!("the configuration cannot take effect: {reason}");
        }
        if now.config.access_policies != self.config.access_policies {
            check_access_policies(client, &self.config).await?;
        }
        for signature in &self.signatures {
            self.verify(now, signature)
                .with_context(|| format!("the signature of {} does not hold", signature.by))?;
        }
        let (before, after) = (pretty(&now.config)?, pretty(&self.config)?);
        let difference = TextDiff::from_lines(&before, &after);
        let (from, to) = (
            format!("version {}", now.sequence),
            format!("version {next}"),
        );
        Ok(difference
            .unified_diff()
            .header(&from, &to)
            .to_string()
            .trim_end()
            .to_owned())
    }

    fn document(&self) -> Bytes {
        self.config.to_document()
    }

    fn verify(&self, now: &InForce, signature: &Signature) -> Result<cordon_policy::Signer> {
        let signed = signature.read()?;
        let header: SignatureHeader = decode(&signed.signature_header, "signature header")?;
        let update = config_update(&self.channel, self.version, &self.document());
        let membership = now.config.membership(std::sync::Arc::default())?;
        let message = [signed.signature_header.as_ref(), update.as_ref()];
        let identity = membership.verify(&header.creator, &message, &signed.signature)?;
        Ok(Channel::signer(&identity))
    }

    /// Adds this identity's approval; one that is there already is left.
    pub(crate) fn sign(&mut self, client: &Client) -> Result<()> {
        let signed = approve(
            client.signer(),
            &self.channel,
            self.version,
            &self.document(),
        )?;
        let by = name(&client.signer().serialized());
        self.signatures.retain(|known| known.by != by);
        self.signatures.push(Signature {
            by,
            header: to_base64(&signed.signature_header),
            signature: to_base64(&signed.signature),
        });
        Ok(())
    }

    /// Submits it if those who have signed are enough; else says who is missing.
    pub(crate) async fn proceed(
        &self,
        client: &Client,
        now: &InForce,
        path: &Path,
        output: &Output,
    ) -> Result<()> {
        let signers = self.signatures.iter();
        let signers = signers.map(|signature| self.verify(now, signature));
        let signers = signers.collect::<Result<Vec<_>>>()?;
        let signed: Vec<&str> = self.signatures.iter().map(|s| s.by.as_str()).collect();
        let mut value = json!({
            "channel": self.channel,
            "version": self.version,
            "signed": signed,
        });
        if let Err(lacks) = now.config.rules()?.governance.evaluate(&signers) {
            value["inForce"] = Value::Bool(false);
            value["lacks"] = Value::String(lacks.to_string());
            let text = format!(
                "signed by {}. It is not in force yet; the governance policy ({}) {lacks}\nThe others sign with `cordon channel sign {} --as ORG/admin`.",
                signed.join(", "),
                now.config.governance_policy,
                path.display()
            );
            output.result(&text, &value);
            return Ok(());
        }
        let receipt = self.submit(client).await?;
        value["inForce"] = Value::Bool(true);
        value["block"] = json!(receipt.block);
        value["transaction"] = json!(receipt.tx_id.to_string());
        let text = format!(
            "signed by {}. Version {} of the configuration of channel {} is in force since block {}",
            signed.join(", "),
            self.version,
            self.channel,
            receipt.block
        );
        output.result(&text, &value);
        Ok(())
    }

    /// Puts it on the ledger.
    pub(crate) async fn submit(&self, client: &Client) -> Result<cordon_client::Receipt> {
        let signatures = self.signatures.iter().map(Signature::read);
        let signatures = signatures.collect::<Result<Vec<_>>>()?;
        Ok(client
            .configure(self.version, &self.document(), signatures)
            .await?)
    }
}

impl Signature {
    fn read(&self) -> Result<ConfigSignature> {
        Ok(ConfigSignature {
            signature_header: from_base64(&self.header)?,
            signature: from_base64(&self.signature)?,
        })
    }
}

/// Holds access policies to the functions that the deployed contracts say they have.
pub(crate) async fn check_access_policies(client: &Client, config: &ChannelConfig) -> Result<()> {
    let functions = functions(client, config).await?;
    AccessPolicies::new(
        &config.channel.parse()?,
        &config.access_policies,
        &functions,
    )?;
    Ok(())
}

/// The functions of all contracts of a channel, as clients say them.
pub(crate) async fn functions(
    client: &Client,
    config: &ChannelConfig,
) -> Result<BTreeMap<ContractId, Vec<String>>> {
    let mut functions: BTreeMap<ContractId, Vec<String>> = BTreeMap::new();
    for contract in &config.contracts {
        let call = Call::new(&contract.name, "org.hyperledger.fabric:GetMetadata", &[]);
        let metadata: Value = serde_json::from_slice(&client.evaluate(&call).await?)?;
        let interfaces = metadata["contracts"].as_object().into_iter().flatten();
        let names = interfaces.flat_map(|(interface, described)| {
            let transactions = described["transactions"].as_array().into_iter().flatten();
            transactions.filter_map(move |transaction| {
                let name = transaction["name"].as_str()?;
                Some(match interface.as_str() {
                    "" => name.to_owned(),
                    interface => format!("{interface}:{name}"),
                })
            })
        });
        functions.insert(contract.name.parse()?, names.collect());
    }
    Ok(functions)
}
