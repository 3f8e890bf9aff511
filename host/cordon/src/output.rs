//! What the user sees: text, or one JSON object; and errors with what to do next.

use std::process::ExitCode;

use cordon_client::{ClientError, Detail};
use serde_json::{Value, json};
use tonic::Code;

/// Exit code when a host that is needed cannot be reached.
const UNREACHABLE: u8 = 3;

/// Text or JSON.
#[derive(Clone)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a result: `text` for people, `value` for programs.
    pub(crate) fn result(&self, text: &str, value: &Value) {
        if self.json {
            print(&value.to_string());
        } else {
            print(text);
        }
    }

    /// Prints a line for people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            print(text);
        }
    }

    /// Prints an error, and returns its exit code.
    pub(crate) fn error(&self, error: &anyhow::Error) -> ExitCode {
        let client = error.downcast_ref::<ClientError>();
        if self.json {
            eprintln!(
                "{}",
                json!({ "error": format!("{error:#}"), "client": client.map(describe) })
            );
        } else if let Some((status, sentence)) = client.and_then(common_refusal) {
            eprintln!("cordon: refused, {status}: {sentence}");
        } else {
            eprintln!("cordon: {error:#}");
            for Detail {
                msp_id,
                address,
                message,
            } in client.into_iter().flat_map(details)
            {
                eprintln!("  {msp_id} ({address}): {message}");
            }
        }
        ExitCode::from(if client.is_some_and(is_unreachable) {
            UNREACHABLE
        } else {
            1
        })
    }
}

/// Prints a line. Whoever reads it may have gone, which is no reason to fail.
fn print(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn details(error: &ClientError) -> &[Detail] {
    match error {
        ClientError::Status { details, .. } => details,
        _ => &[],
    }
}

/// What the contract said, when every host that was asked says the same.
fn common_refusal(error: &ClientError) -> Option<(i32, &str)> {
    let mut messages = details(error).iter().map(|detail| &detail.message);
    let first = messages.next()?;
    if messages.any(|message| message != first) {
        return None;
    }
    error.contract_refusal()
}

fn is_unreachable(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Connect { .. }
            | ClientError::Status {
                code: Code::Unavailable,
                ..
            }
    )
}

fn describe(error: &ClientError) -> Value {
    match error {
        ClientError::Status {
            code,
            message,
            details,
        } => json!({
            "code": format!("{code:?}"),
            "message": message,
            "status": error.contract_refusal().map(|(status, _)| status),
            "details": details.iter().map(|detail| json!({
                "address": detail.address,
                "mspId": detail.msp_id,
                "message": detail.message,
            })).collect::<Vec<_>>(),
        }),
        ClientError::NotValid { tx_id, block, code } => json!({
            "code": code.name(), "transaction": tx_id, "block": block,
        }),
        error => json!({ "message": error.to_string() }),
    }
}
