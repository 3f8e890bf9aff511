//! What Fabric's own command line, `peer`, needs to find its way in a network's folder: its core.yaml,
//! and one file of environment variables per organisation, `connections/<organisation>.env`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::material;
use crate::network::{ChannelEntry, Network, Organization};

/// The least that `peer` starts with; the rest are environment variables.
const CORE_YAML: &str = "\
# Read by Fabric's command line, `peer`. The files *.env beside this one say who it is.
peer:
  client:
    connTimeout: 3s
  BCCSP:
    Default: SW
    SW:
      Hash: SHA2
      Security: 256
";

/// Writes the files for one organisation.
pub(crate) fn write(
    network: &Network,
    dir: &Path,
    organization: &Organization,
    channels: &[&ChannelEntry],
) -> Result<()> {
    let folder = dir.join("connections");
    material::write(&folder.join("core.yaml"), CORE_YAML)?;
    let text = environment(network, organization, channels)?;
    material::write(&folder.join(format!("{}.env", organization.name)), &text)
}

/// The variables, for `sh`. Paths begin where the file is, so that the folder can be moved.
fn environment(
    network: &Network,
    organization: &Organization,
    channels: &[&ChannelEntry],
) -> Result<String> {
    let Organization {
        name,
        msp_id,
        port,
        users,
    } = organization;
    // An admin may do all that `peer` can ask for.
    let admin = users.iter().find(|user| user.role == "admin");
    let user = admin.or(users.first()).map_or("admin", |user| &user.name);
    let mut text = format!(
        "# Fabric's `peer` as a user of {name}: the one that CORDON_USER names, or else {user}. For bash\n\
         # and zsh:\n\
         #   CORDON_USER={user}; . connections/{name}.env\n\
         #   peer channel list\n"
    );
    text += "cordon_dir=\"$(cd \"$(dirname \"${BASH_SOURCE[0]:-$0}\")/..\" && pwd)\"\n";
    let own = format!("$cordon_dir/organizations/{name}");
    for (variable, value) in [
        ("FABRIC_CFG_PATH", "$cordon_dir/connections".to_owned()),
        ("CORE_PEER_LOCALMSPID", msp_id.clone()),
        (
            "CORE_PEER_MSPCONFIGPATH",
            format!("{own}/users/${{CORDON_USER:-{user}}}/msp"),
        ),
        ("CORE_PEER_ADDRESS", format!("127.0.0.1:{port}")),
        ("CORE_PEER_TLS_ENABLED", "true".to_owned()),
        (
            "CORE_PEER_TLS_ROOTCERT_FILE",
            format!("{own}/tlsca/tlsca-cert.pem"),
        ),
    ] {
        writeln!(text, "export {variable}=\"{value}\"")?;
    }
    for channel in channels {
        let keeper = network
            .organization(&channel.ordering)
            .context("checked when the file was read")?;
        let suffix = variable(&channel.name);
        writeln!(
            text,
            "# Channel {}: peer chaincode invoke -C {} --tls --cafile \"$ORDERER_CA_{suffix}\" …",
            channel.name, channel.name
        )?;
        writeln!(
            text,
            "export ORDERER_ADDRESS_{suffix}=\"127.0.0.1:{}\"",
            keeper.port
        )?;
        writeln!(
            text,
            "export ORDERER_CA_{suffix}=\"$cordon_dir/organizations/{}/tlsca/tlsca-cert.pem\"",
            keeper.name
        )?;
    }
    text += "unset cordon_dir\n";
    Ok(text)
}

/// A channel's name as part of a variable's.
fn variable(channel: &str) -> String {
    channel.to_ascii_uppercase().replace(['-', '.'], "_")
}
