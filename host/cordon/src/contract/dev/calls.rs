//! The calls of a contract on all hosts of a development network, as they happen.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use cordon_client::{Call, Client};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::calls::{Answer, FUNCTION, Told};
use crate::contract::lifecycle::host_client;
use crate::output::Output;
use crate::status;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// Calls that are remembered: several hosts execute what one client submits.
const SHOWN_MAX: usize = 2_048;
const FAULT: i32 = cordon_types::status::FAULT;

/// What to ask for.
pub(super) struct Calls<'a> {
    dir: PathBuf,
    channel: String,
    contract: String,
    output: &'a Output,
    shown: VecDeque<Shown>,
    /// Whether it was said where a fault is explained.
    hinted: bool,
}

/// Transaction, whether it was evaluated, and its status.
type Shown = (String, bool, i32);

/// A host, and the number of its last call that is known.
struct Source {
    client: Client,
    last: Option<u64>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(dir: &Path, channel: &str, contract: &str, output: &'a Output) -> Self {
        Self {
            dir: dir.to_owned(),
            channel: channel.to_owned(),
            contract: contract.to_owned(),
            output,
            shown: VecDeque::new(),
            hinted: false,
        }
    }

    /// Shows calls from now on, without end. Hosts that do not answer are asked again.
    pub(super) async fn show(mut self) {
        let mut sources = Vec::new();
        loop {
            if sources.is_empty() {
                // The network may not be made yet.
                sources = self.sources().unwrap_or_default();
            }
            let asked = sources.iter_mut().map(|source| self.ask(source));
            let answers = join_all(asked).await;
            let mut calls: Vec<Told> = answers.into_iter().flatten().flatten().collect();
            calls.sort_by(|left, right| left.time.cmp(&right.time));
            for call in &calls {
                self.tell(call);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn sources(&self) -> Result<Vec<Source>> {
        let admins = status::admins(&self.dir)?;
        let clients = admins.iter().map(|admin| {
            let client = host_client(&self.dir, admin)?;
            Ok(Source { client, last: None })
        });
        clients.collect()
    }

    async fn ask(&self, source: &mut Source) -> Result<Vec<Told>> {
        let args = [
            json!(self.channel),
            json!(self.contract),
            json!(source.last),
        ];
        let args = args.map(|arg| arg.to_string());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let call = Call::new(status::ADMINISTRATION, FUNCTION, &args);
        let answer: Answer = serde_json::from_slice(&source.client.evaluate(&call).await?)?;
        source.last = Some(answer.last);
        Ok(answer.calls)
    }

    fn tell(&mut self, call: &Told) {
        let shown = (call.transaction.clone(), call.evaluated, call.status);
        if self.shown.contains(&shown) {
            return;
        }
        if self.shown.len() == SHOWN_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(shown);
        let mut value: Value = json!(call);
        value["event"] = json!("call");
        self.output.result(&line(call), &value);
        if call.status == FAULT && !self.hinted {
            self.hinted = true;
            self.output.note(&format!(
                "          the contract panicked or reached a limit. `cordon contract test` tells what it said, if a case makes this call; \
                 so does the host's log from now on, after `cordon host log-level --as ORG/ADMIN --dir {} info,cordon_execute=debug`",
                self.dir.display()
            ));
        }
    }
}

/// A call for people.
fn line(call: &Told) -> String {
    let function = call.function.as_deref();
    format!(
        "{}Z  {:<8}  {}{}  {:<14}  {}  fuel {}  {:.1} ms",
        call.time.get(11..19).unwrap_or_default(),
        if call.evaluated { "evaluate" } else { "submit" },
        call.status,
        if call.status == FAULT { " fault" } else { "" },
        call.msp_id,
        function.unwrap_or("a function that the contract does not have"),
        call.fuel,
        call.milliseconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told {
            time: "2026-11-20T14:03:22.123Z".to_owned(),
            function: Some("Appointments:Book".to_owned()),
            msp_id: "HospitalMSP".to_owned(),
            transaction: "ab".to_owned(),
            evaluated: false,
            status: 200,
            fuel: 12_345,
            milliseconds: 1.25,
        }
    }

    #[test]
    fn a_call_is_one_line() {
        assert_eq!(
            line(&told()),
            "14:03:22Z  submit    200  HospitalMSP     Appointments:Book  fuel 12345  1.2 ms"
        );
        let fault = Told {
            status: 500,
            evaluated: true,
            function: None,
            ..told()
        };
        let line = line(&fault);
        assert!(line.contains("evaluate  500 fault  HospitalMSP"), "{line}");
        assert!(line.contains("a function that the contract does not have"));
    }

    #[test]
    fn what_several_hosts_executed_is_told_once_unless_they_disagree() {
        let output = Output::new(true);
        let mut calls = Calls::new(Path::new("network"), "providers", "visits", &output);
        calls.tell(&told());
        calls.tell(&told());
        assert_eq!(calls.shown.len(), 1);
        let refused = Told {
            status: 403,
            ..told()
        };
        calls.tell(&refused);
        assert_eq!(calls.shown.len(), 2);
    }
}
