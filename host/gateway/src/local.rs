//! Execution on this host.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use cordon_endorse::{Execution, Installed};
use cordon_execute::HostError;
use cordon_types::status;
use cordon_wire::proto::protos;

use crate::calls_seen::{CallSeen, Purpose};
use crate::host::Host;
use crate::ledgers::CallerLedgers;
use crate::request::{Accepted, Target};
use crate::status::{Failure, chaincode_response};
use crate::system::lifecycle;

/// Functions that every contract has, which tools ask for: no calls of the contract.
const FABRICS: &str = "org.hyperledger.fabric:";

impl Host {
    /// Executes an accepted proposal, off the threads that serve the network.
    pub(crate) async fn execute(
        self: &Arc<Self>,
        accepted: &Arc<Accepted>,
        purpose: Purpose,
    ) -> Result<Execution, Failure> {
        // Held until the execution has ended, whether or not the client still waits.
        let turn = self
            .executions
            .turn(accepted.checked.identity.caller())
            .await;
        let turn = turn.ok_or(Failure::ShuttingDown)?;
        let accepted = Arc::clone(accepted);
        let ledgers = Arc::new(self.ledgers_of(&accepted));
        let packages = Arc::clone(&self.packages);
        let channel_id = accepted.channel.id();
        let measures = self.measures.contract(channel_id, accepted.contract());
        let counted = Arc::clone(&measures);
        let host = Arc::clone(self);
        let span = tracing::info_span!(
            "execute",
            channel = %channel_id,
            contract = %accepted.contract(),
            tx_id = %accepted.checked.tx_id,
        );
        let run = move || {
            let _turn = turn;
            let _span = span.entered();
            let started = Instant::now();
            let snapshot = Box::new(accepted.channel.ledger().snapshot());
            let installed = match &accepted.target {
                Target::Contract(installed) => installed,
                Target::Lifecycle(request, _) => {
                    return lifecycle::execute(&accepted, request, snapshot, ledgers, &packages);
                }
            };
            let creator = accepted.proposal.header.creator.clone();
            let execution = Execution::run(
                &accepted.proposal,
                &accepted.checked,
                accepted.channel.id(),
                installed,
                snapshot,
                ledgers,
                &accepted.current.access(installed.id(), creator),
            );
            if let Ok(execution) = &execution {
                let duration = started.elapsed();
                counted.executed(duration, execution.outcome.fuel);
                host.see(&accepted, installed, execution, purpose, duration);
            }
            execution
        };
        let executed = tokio::task::spawn_blocking(run).await;
        match &executed {
            Ok(Ok(execution)) if execution.accepted() => {}
            Ok(Ok(execution)) if execution.outcome.response.status == status::FAULT => {
                measures.faults.fetch_add(1, Relaxed);
            }
            Ok(Ok(_)) => {
                measures.refused.fetch_add(1, Relaxed);
            }
            Ok(Err(_)) | Err(_) => {
                measures.failed.fetch_add(1, Relaxed);
            }
        }
        match executed {
            Ok(Ok(execution)) => Ok(execution),
            Ok(Err(HostError::Busy)) => {
                let text = "all contract instances are in use; try again";
                Err(Failure::Unreachable(
                    text.to_owned(),
                    vec![self.detail(text)],
                ))
            }
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Remembers a call for those who watch the contract.
    fn see(
        &self,
        accepted: &Accepted,
        installed: &Installed,
        execution: &Execution,
        purpose: Purpose,
        duration: Duration,
    ) {
        let name = accepted.proposal.args.first();
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        if name.is_some_and(|name| name.starts_with(FABRICS)) {
            return;
        }
        let function = name.and_then(|name| installed.code.function(name).ok());
        self.measures.calls_seen().push(CallSeen {
            time: SystemTime::now(),
            channel: accepted.channel.id().clone(),
            contract: installed.id().clone(),
            function: function.map(|function| function.name.clone()),
            msp_id: accepted.checked.identity.caller().msp_id.clone(),
            tx_id: accepted.checked.tx_id,
            purpose,
            status: execution.outcome.response.status,
            fuel: execution.outcome.fuel,
            duration,
        });
    }

    /// What the contract can ask in the name of a proposal's creator.
    pub(crate) fn ledgers_of(self: &Arc<Self>, accepted: &Accepted) -> CallerLedgers {
        let creator = accepted.proposal.header.creator.clone();
        CallerLedgers::new(self, creator, accepted.checked.timestamp.0)
    }

    /// The refusal in an execution, if it is one.
    pub(crate) fn refusal(&self, execution: &Execution) -> Option<Failure> {
        let response = &execution.outcome.response;
        (!execution.accepted()).then(|| {
            let text = chaincode_response(response.status, &response.message);
            Failure::Contract(vec![self.detail(text)])
        })
    }

    /// Executes and signs: this host's endorsement, as it would answer another host, and the height
    /// of the state that it ran on.
    pub(crate) async fn endorse_here(
        self: &Arc<Self>,
        accepted: &Arc<Accepted>,
    ) -> Result<(protos::ProposalResponse, u64), Failure> {
        // The endorsement would not count, and nobody would know before the transaction is in a block.
        self.endorser
            .check_validity(accepted.checked.timestamp.0)
            .map_err(|error| {
                let text = format!(
                    "this host of {} does not endorse: {error}; its operator has to renew its signing certificate and reload it",
                    self.msp_id
                );
                tracing::warn!("{text}");
                Failure::Stopped(self.detail(text))
            })?;
        let execution = self.execute(accepted, Purpose::Endorse).await?;
        let mut reply = protos::ProposalResponse {
            version: 1,
            response: Some(execution.response()),
            ..Default::default()
        };
        if execution.accepted() {
            let endorsement = tracing::info_span!("endorse", tx_id = %accepted.checked.tx_id)
                .in_scope(|| self.endorser.endorse(&execution.payload))
                .map_err(|error| self.broken(&error))?;
            let measures = self
                .measures
                .contract(accepted.channel.id(), accepted.contract());
            measures.endorsed.fetch_add(1, Relaxed);
            // Validation meets this signature again; we made it ourselves.
            accepted.current.membership().signatures().remember(
                &endorsement.endorser,
                &[&execution.payload, &endorsement.endorser],
                &endorsement.signature,
            );
            reply.payload = execution.payload;
            reply.endorsement = Some(endorsement);
        }
        Ok((reply, execution.height))
    }
}
