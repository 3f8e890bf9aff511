//! What a host does for admins of its organisation: functions of the system contract `cordon`, called
//! by the command line.

use std::sync::Arc;

use bytes::Bytes;
use cordon_gateway::Administration;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;

use crate::logging;
use crate::reload;
use crate::seeing::Watched;
use crate::wiring::Wiring;

/// One host's.
pub(crate) struct HostAdministration {
    /// How others know the host.
    pub(crate) address: String,
    /// Its certificates.
    pub(crate) wiring: Arc<Wiring>,
    /// Where the rest is found.
    pub(crate) watched: Arc<Watched>,
}

impl Administration for HostAdministration {
    fn call<'a>(
        &'a self,
        function: &'a str,
        args: &'a [Bytes],
    ) -> BoxFuture<'a, Result<Bytes, String>> {
        async move {
            match function {
                "Version" => Ok(self.version()),
                reload::FUNCTION => self.reload().await,
                "Status" => Arc::clone(&self.watched).status().await,
                "LogLevel" => log_level(args),
                other => {
                    let shown: String = other.chars().take(64).collect();
                    Err(format!(
                        "this host has no function {shown:?} for its admins"
                    ))
                }
            }
        }
        .boxed()
    }
}

/// Changes what is logged; the level is a JSON text.
fn log_level(args: &[Bytes]) -> Result<Bytes, String> {
    let [level] = args else {
        return Err("LogLevel has one argument, the level".to_owned());
    };
    let level: String =
        serde_json::from_slice(level).map_err(|_| "the level is not a JSON text".to_owned())?;
    let old = logging::set_level(&level)?;
    tracing::warn!(%old, new = %level, "an admin has changed the log level");
    Ok(Bytes::from(json!({ "old": old, "new": level }).to_string()))
}

impl HostAdministration {
    async fn reload(&self) -> Result<Bytes, String> {
        let wiring = Arc::clone(&self.wiring);
        let reloaded = tokio::task::spawn_blocking(move || wiring.reload()).await;
        let answer = reloaded
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("{error:#}"))?;
        Ok(Bytes::from(answer.to_string()))
    }

    fn version(&self) -> Bytes {
        let answer = json!({ "address": self.address, "version": env!("CARGO_PKG_VERSION") });
        Bytes::from(answer.to_string())
    }
}
