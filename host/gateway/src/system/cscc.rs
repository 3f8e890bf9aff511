//! Fabric's system contract for channels and their configurations (`WIRE.md` sections 16 and 18).

use bytes::Bytes;
use cordon_channel::{ChannelConfig, Current};
use cordon_endorse::{ProposalError, check_creator};
use cordon_identity::MspConfig;
use cordon_order::{ENVELOPE_BYTES_MAX, OPEN_MAX};
use cordon_types::status;
use cordon_wire::channel_config::{
    ChannelProfile, Ordering, channel_config, crypto_config, node_ous,
};
use cordon_wire::encode;
use cordon_wire::proposal::{CONFIG, ENDORSER_TRANSACTION, Proposal};
use cordon_wire::proto::{msp, protos};

use super::{answer, refusal};
use crate::host::{Host, now};
use crate::status::Failure;

/// Answers a call. The channel is the argument's, and the proposal's own may be empty, as it is when
/// Fabric's command line asks.
pub(super) fn call(host: &Host, proposal: &Proposal) -> Result<protos::Response, Failure> {
    let text = |index: usize| {
        let arg = proposal.args.get(index);
        let text = arg.and_then(|arg| std::str::from_utf8(arg).ok());
        text.unwrap_or_default()
    };
    let refused = |error: ProposalError| Failure::Refused(host.detail(error.to_string()));
    let header = &proposal.header;
    let found = header.channel_header.r#type;
    if ![ENDORSER_TRANSACTION, CONFIG].contains(&found) {
        return Err(refused(ProposalError::HeaderType { found }));
    }
    let (function, id) = (text(0), text(1));
    let about_channel = ["GetChannelConfig", "GetConfigBlock"].contains(&function);
    let door = host.door(if about_channel { id } else { "" }, &header.creator);
    let checked = check_creator(
        header,
        &proposal.signed_bytes,
        &proposal.signature,
        door.membership(),
        now(),
    )
    .map_err(refused)?;
    match function {
        "GetChannels" => Ok(answer(channels(host, &header.creator))),
        "GetChannelConfig" => {
            let (_, current) = door.channel()?;
            let config = channel_config(&profile(current));
            Ok(answer(encode(&config)))
        }
        "GetConfigBlock" => {
            let (channel, current) = door.channel()?;
            // It may hold more than the configuration.
            if !current.may_read_blocks(&checked.identity) {
                let text = format!("only admins of its members may read blocks of channel {id}");
                return Ok(refusal(status::FORBIDDEN, text));
            }
            let number = channel.ledger().info().last_config;
            let block = channel.ledger().block(number);
            match block.map_err(|error| host.broken(&error))? {
                Some(block) => Ok(answer(block)),
                None => Ok(refusal(
                    status::FAULT,
                    format!("there is no block {number}"),
                )),
            }
        }
        other => {
            let shown: String = other.chars().take(64).collect();
            let text = format!(
                "cscc has no function {shown} here: a host's channels are named in its host.toml"
            );
            Ok(refusal(status::FAULT, text))
        }
    }
}

/// The channels that have the creator as a member.
fn channels(host: &Host, creator: &[u8]) -> Bytes {
    let known = host
        .channels
        .values()
        .filter(|channel| channel.current().membership().identity(creator).is_ok());
    let channels = known.map(|channel| protos::ChannelInfo {
        channel_id: channel.id().to_string(),
    });
    encode(&protos::ChannelQueryResponse {
        channels: channels.collect(),
    })
}

fn profile(current: &Current) -> ChannelProfile {
    let (sequence, config) = (current.sequence(), current.config());
    let saturated = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (msp_id, address) = ordering_host(config);
    ChannelProfile {
        sequence,
        members: config
            .organizations
            .iter()
            .map(|o| organization(&o.msp))
            .collect(),
        ordering: Ordering {
            msp_id,
            address,
            transactions_max: saturated(config.batch.transactions_max),
            block_bytes_max: saturated(config.batch.bytes_max),
            envelope_bytes_max: saturated(ENVELOPE_BYTES_MAX),
            timeout: format!("{}ms", OPEN_MAX.as_millis()),
        },
    }
}

/// MSP id and address of the host that keeps a channel's ordering log: where clients send transactions
/// that are not told another place. Any host of the channel would do.
fn ordering_host(config: &ChannelConfig) -> (String, String) {
    let address = &config.ordering.address;
    let mut organizations = config.organizations.iter();
    let keeper = organizations.find(|organization| organization.hosts.contains(address));
    let msp_id = keeper.map(|organization| organization.msp.msp_id.to_string());
    (msp_id.unwrap_or_default(), address.clone())
}

/// An organisation as the channel's document describes it, in Fabric's form.
fn organization(config: &MspConfig) -> msp::FabricMspConfig {
    let bytes = |texts: &[String]| {
        let texts = texts.iter();
        texts.map(|text| Bytes::from(text.clone())).collect()
    };
    let units = &config.node_ous;
    let units = units
        .enabled
        .then(|| node_ous(&units.client, &units.peer, &units.admin, &units.orderer));
    msp::FabricMspConfig {
        name: config.msp_id.to_string(),
        root_certs: bytes(&config.root_certs),
        intermediate_certs: bytes(&config.intermediate_certs),
        admins: bytes(&config.admins),
        revocation_list: bytes(&config.revocation_list),
        crypto_config: crypto_config(),
        tls_root_certs: bytes(&config.tls_root_certs),
        fabric_node_ous: units.flatten(),
    }
}
