//! What a host does for admins of its organisation: functions of the system contract `cordon`, called
//! by the command line.

use std::sync::Arc;

use bytes::Bytes;
use cordon_gateway::Administration;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;

use crate::reload;
use crate::wiring::Wiring;

/// One host's.
pub(crate) struct HostAdministration {
    /// How others know the host.
    pub(crate) address: String,
    /// Its certificates.
    pub(crate) wiring: Arc<Wiring>,
}

impl Administration for HostAdministration {
    fn call<'a>(
        &'a self,
        function: &'a str,
        _args: &'a [Bytes],
    ) -> BoxFuture<'a, Result<Bytes, String>> {
        async move {
            match function {
                "Version" => Ok(self.version()),
                reload::FUNCTION => self.reload().await,
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
