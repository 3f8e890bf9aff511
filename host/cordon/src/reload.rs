//! `cordon host reload`: lets a running host use the certificates that are in its files now.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use cordon_client::Call;
use serde_json::Value;

use crate::output::Output;
use crate::store::CallerArgs;

/// The function of the system contract.
pub(crate) const FUNCTION: &str = "ReloadCertificates";

#[derive(Args)]
pub(crate) struct ReloadArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// An admin of the host's organisation, for example hospital/admin.
    #[arg(long = "as", value_name = "ORG/ADMIN")]
    caller: String,
}

pub(crate) async fn run(args: ReloadArgs, output: &Output) -> Result<()> {
    let caller = CallerArgs {
        dir: args.dir,
        caller: args.caller,
        // The host is asked, not a channel.
        channel: String::new(),
    };
    let done = reload(&caller, output).await;
    done.map_err(|error| caller.explain(error))
}

async fn reload(caller: &CallerArgs, output: &Output) -> Result<()> {
    let call = Call::new("cordon", FUNCTION, &[]);
    let answer = caller.client()?.evaluate(&call).await?;
    let answer: Value =
        serde_json::from_slice(&answer).context("the host's answer cannot be read")?;
    output.result(&text(&answer), &answer);
    Ok(())
}

/// The answer for people.
pub(crate) fn text(answer: &Value) -> String {
    let words = |value: &Value| -> Vec<String> {
        let values = value.as_array().into_iter().flatten();
        values
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let changed = words(&answer["changed"]);
    let mut text = if changed.is_empty() {
        "the certificates in the host's files are those that it uses already".to_owned()
    } else {
        format!("the host uses its new certificates: {}", changed.join(", "))
    };
    for certificate in answer["certificates"].as_array().into_iter().flatten() {
        let field = |name: &str| certificate[name].as_str().unwrap_or_default();
        text += &format!(
            "\n  {:<14} until {}  {}",
            field("what"),
            field("validUntil"),
            field("subject")
        );
    }
    text
}
