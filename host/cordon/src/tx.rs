//! `cordon tx`: call contracts as a user of the network.

use anyhow::Result;
use clap::{Args, Subcommand};
use cordon_client::Call;
use serde_json::json;

use crate::output::Output;
use crate::store::CallerArgs;

/// Ways to call.
#[derive(Subcommand)]
pub(crate) enum TxCommand {
    /// Submit a transaction: endorse, order, and wait until it is committed.
    ///
    /// Example: cordon tx submit --as hospital/hc1 emr HealthCenter:CreateEmr
    /// '{"patientId":"pa1","patientName":"Ann","patientBirthdate":"10-03"}'
    #[command(verbatim_doc_comment)]
    Submit(CallArgs),
    /// Ask without changing anything.
    ///
    /// Example: cordon tx evaluate --as hospital/py1 emr Physician:GetEmrByPatientId pa1
    Evaluate(CallArgs),
}

#[derive(Args)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    caller: CallerArgs,
    /// The contract.
    contract: String,
    /// The function, as Interface:Function.
    function: String,
    /// Arguments: text as it is, everything else as JSON.
    args: Vec<String>,
}

impl CallArgs {
    fn call(&self) -> Call {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        Call::new(&self.contract, &self.function, &args)
    }
}

pub(crate) async fn run(command: TxCommand, output: &Output) -> Result<()> {
    let (TxCommand::Submit(args) | TxCommand::Evaluate(args)) = &command;
    call(&command, args, output)
        .await
        .map_err(|error| args.caller.explain(error))
}

async fn call(command: &TxCommand, args: &CallArgs, output: &Output) -> Result<()> {
    let client = args.caller.client()?;
    match command {
        TxCommand::Submit(_) => {
            let receipt = client.transact(&args.call()).await?;
            let answer = String::from_utf8_lossy(&receipt.answer);
            let text = format!(
                "{answer}\ncommitted in block {}: {}",
                receipt.block, receipt.tx_id
            );
            let value = json!({
                "transaction": receipt.tx_id.to_string(),
                "block": receipt.block,
                "code": "VALID",
                "answer": json_or_text(&answer),
            });
            output.result(text.trim_start(), &value);
        }
        TxCommand::Evaluate(_) => {
            let answer = client.evaluate(&args.call()).await?;
            let answer = String::from_utf8_lossy(&answer);
            output.result(&answer, &json!({ "answer": json_or_text(&answer) }));
        }
    }
    Ok(())
}

fn json_or_text(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer).unwrap_or_else(|_| json!(answer))
}
