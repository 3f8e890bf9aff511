//! Finds identities and hosts in a network's folder: `hospital/hc1` → a client.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use cordon_client::{Call, Client, ClientError, Endpoint};
use cordon_identity::Signer;
use cordon_types::MspId;
use serde_json::{Value, json};

use crate::ledger::progress_bar;
use crate::material::{self, OrganizationDir};
use crate::network::check_name;
use crate::provision::{Connection, host_dir, organizations};

/// Between two questions how far long work is.
const PROGRESS_PAUSE: Duration = Duration::from_millis(500);

/// Who calls, and where.
#[derive(Args, Clone)]
pub(crate) struct CallerArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    pub(crate) dir: std::path::PathBuf,
    /// Who calls: organisation/user, for example hospital/hc1.
    #[arg(long = "as", value_name = "ORG/USER")]
    pub(crate) caller: String,
    /// The channel.
    #[arg(long, default_value = "providers")]
    pub(crate) channel: String,
}

impl CallerArgs {
    /// The client that this names.
    pub(crate) fn client(&self) -> Result<Client> {
        let (organization, user) = self.names()?;
        client(&self.dir, organization, user, &self.channel)
    }

    /// Says which host could not be reached, if that is what happened.
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let unreachable = error
            .downcast_ref::<ClientError>()
            .is_some_and(is_connection_lost);
        let address = self
            .names()
            .and_then(|(organization, _)| Connection::read(&self.dir, organization))
            .map(|connection| connection.endpoint);
        match address {
            Ok(address) if unreachable => {
                let dir = self.dir.display();
                let text = error.to_string();
                // TLS does not accept whoever answers.
                let stranger = text.contains("certificate") || text.contains("corrupt message");
                error.context(if stranger {
                    format!("what answers at {address} is no host of the network in {dir}: is --dir right?")
                } else {
                    format!("no host answers at {address}: start the network (cordon up --dir {dir})")
                })
            }
            _ => error,
        }
    }

    pub(crate) fn names(&self) -> Result<(&str, &str)> {
        self.caller
            .split_once('/')
            .with_context(|| format!("{:?} is not organisation/user", self.caller))
    }
}

/// Who administers, and which host.
#[derive(Args, Clone)]
pub(crate) struct AdminArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: std::path::PathBuf,
    /// An admin of the host's organisation: organisation/user, for example hospital/admin.
    #[arg(long = "as", value_name = "ORG/USER")]
    caller: String,
    /// The host, if it is not the organisation's first: a name given to `cordon host add`.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
}

impl AdminArgs {
    /// Has the host do long work that ends with a folder, and shows how far it is. The answer.
    pub(crate) async fn job(&self, call: &Call, out: &Path) -> Result<Value> {
        let done = self.try_job(call, out).await;
        let caller = CallerArgs {
            dir: self.dir.clone(),
            caller: self.caller.clone(),
            channel: String::new(),
        };
        done.map_err(|error| match &self.host {
            None => caller.explain(error),
            Some(host) => error.context(format!("host {host}")),
        })
    }

    async fn try_job(&self, call: &Call, out: &Path) -> Result<Value> {
        let client = self.client()?;
        let bar = progress_bar(0);
        let asked = Call::new("cordon", "Progress", &[&json!(out).to_string()]);
        let working = client.evaluate(call);
        tokio::pin!(working);
        loop {
            tokio::select! {
                answer = &mut working => {
                    bar.finish_and_clear();
                    return Ok(serde_json::from_slice(&answer?)?);
                }
                () = tokio::time::sleep(PROGRESS_PAUSE) => {}
            }
            let Ok(progress) = client.evaluate(&asked).await else {
                continue;
            };
            let progress: Value = serde_json::from_slice(&progress)?;
            bar.set_length(progress["total"].as_u64().unwrap_or_default());
            bar.set_position(progress["done"].as_u64().unwrap_or_default());
        }
    }

    /// Calls that are on no channel.
    fn client(&self) -> Result<Client> {
        let (organization, user) = self
            .caller
            .split_once('/')
            .with_context(|| format!("{:?} is not organisation/user", self.caller))?;
        let signer = signer(&self.dir, organization, user)?;
        let connection = match &self.host {
            None => Connection::read(&self.dir, organization)?,
            Some(host) => {
                check_name("host", host)?;
                let path = host_dir(&self.dir, host).join("connection.json");
                serde_json::from_str(&material::read(&path)?)
                    .with_context(|| format!("{} is not a connection file", path.display()))?
            }
        };
        let endpoint = endpoint(&self.dir, &connection)?;
        Ok(Client::new("", signer, endpoint.connect_lazy()?))
    }
}

/// Whether the connection failed, rather than the host saying that something is unavailable: that
/// comes with details.
fn is_connection_lost(error: &ClientError) -> bool {
    match error {
        ClientError::Status { code, details, .. } => {
            *code == tonic::Code::Unavailable && details.is_empty()
        }
        error => matches!(error, ClientError::Connect { .. }),
    }
}

/// A client for a user of an organisation, at that organisation's host.
pub(crate) fn client(dir: &Path, organization: &str, user: &str, channel: &str) -> Result<Client> {
    let signer = signer(dir, organization, user)?;
    let connection = Connection::read(dir, organization)?;
    let endpoint = endpoint(dir, &connection)?;
    Ok(Client::new(channel, signer, endpoint.connect_lazy()?))
}

/// The key of a user of an organisation.
pub(crate) fn signer(dir: &Path, organization: &str, user: &str) -> Result<Arc<Signer>> {
    ensure!(
        check_name("organization", organization).is_ok(),
        "there is no organization {organization:?} in {}",
        dir.display()
    );
    let connection = Connection::read(dir, organization)?;
    let folder = OrganizationDir::new(dir, organization).user(user);
    ensure!(
        check_name("user", user).is_ok() && folder.exists(),
        "organization {organization} has no user {user}; there are {}",
        users(dir, organization).join(", ")
    );
    let signer = material::signer(connection.msp_id.parse()?, &folder.join("msp"))?;
    Ok(Arc::new(signer))
}

/// The admin of the organisation with this MSP id: names of organisation and user.
pub(crate) fn admin_of(dir: &Path, msp_id: &MspId) -> Result<(String, String)> {
    for organization in organizations(dir) {
        let connection = Connection::read(dir, &organization)?;
        if connection.msp_id == msp_id.as_str() {
            return admin(dir, organization);
        }
    }
    bail!("{} has no organisation {msp_id}", dir.display())
}

/// An admin of any member of a channel.
pub(crate) fn any_admin(dir: &Path, channel: &str) -> Result<(String, String)> {
    for organization in organizations(dir) {
        let connection = Connection::read(dir, &organization)?;
        if connection.channels.iter().any(|known| known == channel) {
            return admin(dir, organization);
        }
    }
    bail!(
        "no organisation in {} is on channel {channel}: is --dir right, and was the network started there?",
        dir.display()
    )
}

fn admin(dir: &Path, organization: String) -> Result<(String, String)> {
    for user in users(dir, &organization) {
        let identity = signer(dir, &organization, &user)?;
        let units = identity.certificate().organizational_units();
        if units.iter().any(|unit| unit == "admin") {
            return Ok((organization, user));
        }
    }
    bail!(
        "organisation {organization} has no admin in {}",
        dir.display()
    )
}

/// Where an organisation's host is.
pub(crate) fn endpoint(dir: &Path, connection: &Connection) -> Result<Endpoint> {
    Ok(Endpoint {
        address: connection.endpoint.clone(),
        server_name: connection.server_name.clone(),
        tls_ca_pem: material::read(&dir.join(&connection.tls_ca_cert_path))?,
    })
}

pub(crate) fn users(dir: &Path, organization: &str) -> Vec<String> {
    let folder = OrganizationDir::new(dir, organization).user("");
    let mut users: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    users.sort();
    users
}
