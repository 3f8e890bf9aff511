//! `cordon host add`, `backup` and `restore`: hosts as folders.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Args;
use cordon_channel::ChannelConfig;
use cordon_client::Call;
use serde_json::{Value, json};

use crate::copies::{self, Folder, Progress, read_host_file, write_host_file};
use crate::host::HostConfig;
use crate::ledger::progress_bar;
use crate::material::OrganizationDir;
use crate::network::check_name;
use crate::output::Output;
use crate::provision::{Connection, host_dir};
use crate::store::AdminArgs;

#[derive(Args)]
pub(crate) struct AddArgs {
    /// The network's folder.
    #[arg(long, default_value = "network", value_name = "DIR")]
    dir: PathBuf,
    /// The organisation, for example hospital.
    #[arg(long, value_name = "ORG")]
    organization: String,
    /// Name of the new host; its folder is DIR/hosts/NAME.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Port to listen on, on this machine.
    #[arg(long, value_name = "PORT")]
    port: u16,
}

#[derive(Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// New folder on the host's machine.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Save the host's private keys too. Whoever reads them can act as this host.
    #[arg(long)]
    with_keys: bool,
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// New folder for the host.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

// === add ===

pub(crate) fn add(args: &AddArgs, output: &Output) -> Result<()> {
    let AddArgs {
        dir,
        organization,
        name,
        port,
    } = args;
    check_name("host", name)?;
    check_name("organization", organization)?;
    ensure!(*port > 0, "--port 0: give the port to listen on");
    let mut connection = Connection::read(dir, organization)?;
    let address = format!("127.0.0.1:{port}");
    check_free(dir, name, &address)?;
    let first_dir = host_dir(dir, organization);
    let (_, first) = read_host_file(&first_dir.join("host.toml"))?;
    let keys = OrganizationDir::new(dir, organization);
    let further = keys.further_host(name);
    ensure!(
        !further.exists(),
        "{} holds keys of a host {name}: give another --name, or delete that folder",
        further.display()
    );

    let home = host_dir(dir, name);
    let folder = Folder::begin(&home)?;
    let material = PathBuf::from("../../organizations")
        .join(organization)
        .join("hosts")
        .join(name);
    let mut config = HostConfig {
        address: address.clone(),
        listen: None,
        // The first host's may be on this machine too.
        operations: None,
        msp: material.join("msp"),
        tls: material.join("tls"),
        data: PathBuf::from("data"),
        components: PathBuf::from("components"),
        ..first.clone()
    };
    // The first host may not be where channels know it.
    config.address_overrides.remove(&address);
    if let Some(listen) = &first.listen {
        let known = first.address.clone();
        config.address_overrides.insert(known, listen.clone());
    }
    let mut channels = Vec::new();
    for section in &mut config.channels {
        let block = read_bytes(&first_dir.join(&section.genesis))?;
        let channel = ChannelConfig::from_genesis(&block)?.channel;
        section.genesis = PathBuf::from(format!("channels/{channel}.block"));
        write_bytes(&folder.path().join(&section.genesis), &block)?;
        channels.push(channel);
    }
    let components = first_dir.join(&first.components);
    for entry in fs::read_dir(&components)
        .with_context(|| format!("cannot look into {}", components.display()))?
    {
        let path = entry?.path();
        if let Some(file) = path.file_name().filter(|_| path.is_file()) {
            let to = folder.path().join(&config.components).join(file);
            write_bytes(&to, &read_bytes(&path)?)?;
        }
    }
    let comment = format!(
        "# A further host of {organization}. Paths are relative to this file. Start it with\n#   cordon host run --config host.toml\n"
    );
    write_host_file(&folder.path().join("host.toml"), &comment, &config)?;
    connection.endpoint.clone_from(&address);
    let text = serde_json::to_string_pretty(&connection)? + "\n";
    write_bytes(&folder.path().join("connection.json"), text.as_bytes())?;
    keys.issue_host(organization, name)?;
    folder.finish()?;

    let path = home.join("host.toml");
    let text = format!(
        "{} has a further host, {name}, at {address}, on {}. Start it with\n  cordon host run --config {}\nIt begins with block 0; `cordon channel snapshot` and `join` spare it that on long channels. So that other\nhosts ask it too, its address has to be in each channel's configuration:\n  cordon channel propose --hosts {}={},{address} …",
        config.msp_id,
        channels.join(", "),
        path.display(),
        config.msp_id,
        first.address,
    );
    let value = json!({
        "host": name,
        "mspId": config.msp_id,
        "address": address,
        "channels": channels,
        "config": path.display().to_string(),
    });
    output.result(&text, &value);
    Ok(())
}

/// No other host of the network has the name or the address.
fn check_free(dir: &Path, name: &str, address: &str) -> Result<()> {
    let hosts = dir.join("hosts");
    let error = || format!("cannot look into {}", hosts.display());
    for entry in fs::read_dir(&hosts).with_context(error)? {
        let entry = entry.with_context(error)?;
        let known = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path().join("host.toml");
        ensure!(known != name, "there is a host {name}: give another --name");
        if path.exists() {
            let (_, config) = read_host_file(&path)?;
            ensure!(
                config.address != address,
                "{address} is the address of host {known}: give another --port"
            );
        }
    }
    Ok(())
}

fn read_bytes(path: &Path) -> Result<Bytes> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes.into())
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    crate::material::write_mode(path, bytes, 0o644)
}

// === backup and restore ===

pub(crate) async fn backup(args: BackupArgs, output: &Output) -> Result<()> {
    let out = std::path::absolute(&args.out)?;
    let arguments = [json!(args.with_keys).to_string(), json!(out).to_string()];
    let call = Call::new("cordon", "Backup", &[&arguments[0], &arguments[1]]);
    let value = args.admin.job(&call, &out).await?;
    let keys = if args.with_keys {
        "The host's PRIVATE KEYS are in it: keep it as safe as the host."
    } else {
        "The host's private keys are not in it: keep them elsewhere."
    };
    let text = format!(
        "saved {} in {}\n{}{keys}",
        value["address"].as_str().unwrap_or_default(),
        out.display(),
        channels_of(&value)
    );
    output.result(&text, &value);
    Ok(())
}

fn channels_of(value: &Value) -> String {
    let line = |channel: &Value| {
        let log = match channel["orderingRecords"].as_u64() {
            Some(records) => format!(", ordering log with {records} records"),
            None => String::new(),
        };
        format!(
            "  channel {}: {} blocks, state digest {}{log}\n",
            channel["channel"].as_str().unwrap_or_default(),
            channel["height"],
            channel["stateDigest"].as_str().unwrap_or_default()
        )
    };
    let channels = value["channels"].as_array().into_iter().flatten();
    channels.map(line).collect()
}

pub(crate) async fn restore(args: RestoreArgs, output: &Output) -> Result<()> {
    let output = output.clone();
    let restoring = move || -> Result<()> {
        let RestoreArgs { from, to } = args;
        let bar = progress_bar(0);
        let progress: Progress<'_> = &copies::on_bar(&bar);
        let manifest = copies::restore(&from, &to, progress)?;
        bar.finish_and_clear();
        let value = manifest.summary();
        let shown = to.display();
        let keys = if value["keys"] == json!(true) {
            String::new()
        } else {
            format!(
                "Put the host's private keys into {shown}/msp/keystore/priv_sk and {shown}/tls/server.key. "
            )
        };
        let field = |name: &str| value[name].as_str().unwrap_or_default();
        let text = format!(
            "restored the host of {} as it was at {} in {shown}\n{}{keys}Start it with\n  cordon host run --config {shown}/host.toml",
            field("mspId"),
            field("created"),
            channels_of(&value)
        );
        output.result(&text, &value);
        Ok(())
    };
    tokio::task::spawn_blocking(restoring).await?
}
