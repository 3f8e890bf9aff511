//! `gateway.Gateway/Endorse`: collect what the endorsement policy asks for, on results that are the
//! same byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cordon_policy::{EndorsementPolicy, smallest_set};
use cordon_types::{MspId, RangeRead, ReadWriteSet, Version, status};
use cordon_wire::decode;
use cordon_wire::proposal::Proposal;
use cordon_wire::proto::common::Envelope;
use cordon_wire::proto::gateway::{EndorseRequest, EndorseResponse};
use cordon_wire::proto::protos;
use cordon_wire::rw_set::decode_rw_set;
use cordon_wire::transaction::envelope_payload;
use futures::future::join_all;

use crate::height::catch_up;
use crate::host::Host;
use crate::peer::{Peer, PeerAnswer};
use crate::request::{self, Accepted};
use crate::status::{Detail, Failure, chaincode_response};

/// How often endorsers are asked while they are on different blocks.
const ROUNDS_MAX: usize = 3;

/// Time for this host's other channels to catch up with other hosts'.
const OTHER_CHANNELS_PAUSE: Duration = Duration::from_millis(150);

/// One endorser's answer.
struct Answer {
    detail: Detail,
    /// Number of blocks in the state that it ran on, if it ran.
    height: Option<u64>,
    result: Result<protos::ProposalResponse, AnswerError>,
}

enum AnswerError {
    Refused(String),
    Unreachable(String),
    Here(Failure),
}

pub(crate) async fn endorse(
    host: &Arc<Host>,
    request: EndorseRequest,
) -> Result<EndorseResponse, Failure> {
    let signed = request.proposed_transaction;
    let proposal = request::parse(
        signed.as_ref(),
        &request.channel_id,
        &request.transaction_id,
    )?;
    let named = request::organizations(&request.endorsing_organizations)?;
    let mut accepted = Arc::new(host.accept(proposal)?);
    let signed = signed.unwrap_or_default();

    let mut lost: Vec<Detail> = Vec::new();
    let mut rounds = 0;
    loop {
        let plan = plan(host, &accepted, &named, &lost)?;
        let height = accepted.channel.ledger().height();
        let asked = plan
            .iter()
            .map(|endorser| ask(host, endorser, &accepted, &signed, height));
        let mut replies = Vec::new();
        let mut failures = Vec::new();
        let mut unreachable = Vec::new();
        let mut heights = Vec::new();
        for Answer {
            mut detail,
            height,
            result,
        } in join_all(asked).await
        {
            heights.extend(height);
            match result {
                Ok(reply) => replies.push((detail, reply)),
                Err(AnswerError::Refused(message)) => {
                    detail.message = message;
                    failures.push(detail);
                }
                Err(AnswerError::Unreachable(message)) => {
                    detail.message = message;
                    unreachable.push(detail);
                }
                Err(AnswerError::Here(failure)) => return Err(failure),
            }
        }
        if !unreachable.is_empty() {
            // Another way to satisfy the endorsement policy may do without them.
            lost.extend(unreachable);
            continue;
        }
        let agreed = replies
            .iter()
            .all(|(_, reply)| reply.payload == replies[0].1.payload);
        if failures.is_empty() && agreed {
            return assemble(host, &accepted, replies);
        }
        // On different blocks they may well differ: once more, when all have the same ones.
        rounds += 1;
        let highest = heights.iter().max().copied().unwrap_or_default();
        if rounds < ROUNDS_MAX && heights.iter().any(|&height| height != highest) {
            catch_up(&accepted.channel, highest).await;
            if !accepted.is_current() {
                accepted = Arc::new(host.accept(Proposal::parse(&signed)?)?);
            }
            continue;
        }
        // So they may when this host is behind on another channel, which nobody tells it.
        let mixed = !replies.is_empty();
        if rounds < ROUNDS_MAX && mixed && accepted.asks_other_channels() {
            tokio::time::sleep(OTHER_CHANNELS_PAUSE).await;
            continue;
        }
        return Err(if failures.is_empty() {
            disagreement(&replies)
        } else {
            Failure::Contract(failures)
        });
    }
}

/// Whom to ask.
enum Endorser {
    This,
    Other(Box<Peer>),
}

fn plan(
    host: &Host,
    accepted: &Accepted,
    named: &[MspId],
    lost: &[Detail],
) -> Result<Vec<Endorser>, Failure> {
    let channel = &accepted.channel;
    let usable: Vec<Peer> = host
        .others_of(accepted)
        .into_iter()
        .filter(|peer| !lost.iter().any(|detail| detail.address == peer.address))
        .collect();
    let unreachable = || {
        let names: Vec<String> = lost
            .iter()
            .map(|d| format!("{} at {}", d.msp_id, d.address))
            .collect();
        let text = format!(
            "the endorsement policy needs organisations whose hosts cannot be reached: {}",
            names.join(", ")
        );
        Failure::Unreachable(text, lost.to_vec())
    };
    let set: Vec<MspId> = if named.is_empty() {
        let policies = accepted.endorsement_policies()?;
        let policies: Vec<&EndorsementPolicy> = policies.iter().collect();
        let available: Vec<MspId> = std::iter::once(host.msp_id.clone())
            .chain(usable.iter().map(|peer| peer.msp_id.clone()))
            .collect();
        match smallest_set(&policies, &available) {
            // A transaction without endorsement is nobody's word; ask at least ourselves.
            Some(set) if set.is_empty() => vec![host.msp_id.clone()],
            Some(set) => set,
            None if lost.is_empty() => {
                let policies: Vec<String> = policies.iter().map(ToString::to_string).collect();
                return Err(Failure::PolicyUnsatisfiable(format!(
                    "no hosts that this host knows of can satisfy the endorsement policy {}",
                    policies.join(" and ")
                )));
            }
            None => return Err(unreachable()),
        }
    } else {
        named.to_vec()
    };
    let mut others = usable;
    let mut this = true;
    let mut endorsers = Vec::with_capacity(set.len());
    for msp_id in set {
        if msp_id == host.msp_id && std::mem::take(&mut this) {
            endorsers.push(Endorser::This);
        } else if let Some(index) = others.iter().position(|peer| peer.msp_id == msp_id) {
            endorsers.push(Endorser::Other(Box::new(others.remove(index))));
        } else if lost.iter().any(|detail| detail.msp_id == msp_id.as_str()) {
            return Err(unreachable());
        } else {
            let text = format!(
                "no host of organisation {msp_id} is known on channel {}",
                channel.id()
            );
            let detail = Detail {
                address: String::new(),
                msp_id: msp_id.to_string(),
                message: text.clone(),
            };
            return Err(Failure::Unreachable(text, vec![detail]));
        }
    }
    Ok(endorsers)
}

async fn ask(
    host: &Arc<Host>,
    endorser: &Endorser,
    accepted: &Arc<Accepted>,
    signed: &protos::SignedProposal,
    height: u64,
) -> Answer {
    let mut ran_on = None;
    let (detail, result) = match endorser {
        Endorser::This => {
            let result = host.endorse_here(accepted).await.map_err(AnswerError::Here);
            let result = result.map(|(reply, height)| {
                ran_on = Some(height);
                reply
            });
            (host.detail(""), result)
        }
        Endorser::Other(peer) => {
            let detail = Detail {
                address: peer.address.clone(),
                msp_id: peer.msp_id.to_string(),
                message: String::new(),
            };
            let others = host.other_heights(accepted, &peer.msp_id);
            let result = match peer.process_proposal(signed.clone(), height, &others).await {
                PeerAnswer::Reply(reply, height) => {
                    ran_on = height;
                    check_endorsement(accepted, &peer.msp_id, reply)
                }
                PeerAnswer::Refused(message) => Err(AnswerError::Refused(message)),
                PeerAnswer::Unreachable(message) => Err(AnswerError::Unreachable(message)),
            };
            (detail, result)
        }
    };
    let result = result.and_then(|reply| {
        let response = reply.response.clone().unwrap_or_default();
        if response.status == status::OK {
            Ok(reply)
        } else {
            let text = chaincode_response(response.status, &response.message);
            Err(AnswerError::Refused(text))
        }
    });
    Answer {
        detail,
        height: ran_on,
        result,
    }
}

/// An endorsement from another host must be that organisation's, and hold. Validation meets the
/// same bytes again and need not verify them twice.
fn check_endorsement(
    accepted: &Accepted,
    msp_id: &MspId,
    reply: protos::ProposalResponse,
) -> Result<protos::ProposalResponse, AnswerError> {
    let Some(endorsement) = &reply.endorsement else {
        return Ok(reply);
    };
    let message: [&[u8]; 2] = [&reply.payload, &endorsement.endorser];
    let membership = accepted.current.membership();
    match membership.verify(&endorsement.endorser, &message, &endorsement.signature) {
        Ok(identity) if identity.msp_id() == msp_id => Ok(reply),
        Ok(identity) => Err(AnswerError::Refused(format!(
            "the endorsement is signed by {}, not by {msp_id}",
            identity.msp_id()
        ))),
        Err(error) => Err(AnswerError::Refused(format!(
            "the endorsement does not hold: {error}"
        ))),
    }
}

fn assemble(
    host: &Host,
    accepted: &Accepted,
    replies: Vec<(Detail, protos::ProposalResponse)>,
) -> Result<EndorseResponse, Failure> {
    let Some((_, first)) = replies.first() else {
        return Err(Failure::PolicyUnsatisfiable(
            "nobody was asked to endorse".to_owned(),
        ));
    };
    let payload = first.payload.clone();
    let endorsements: Option<Vec<_>> = replies
        .into_iter()
        .map(|(_, reply)| reply.endorsement)
        .collect();
    let endorsements = endorsements
        .ok_or_else(|| Failure::Host(host.detail("an endorser accepted without endorsing")))?;
    let payload = envelope_payload(&accepted.proposal, payload, endorsements);
    Ok(EndorseResponse {
        prepared_transaction: Some(Envelope {
            payload,
            signature: Bytes::new(),
        }),
    })
}

/// Says of each endorser which parts of its result differ from the first one's.
fn disagreement(replies: &[(Detail, protos::ProposalResponse)]) -> Failure {
    let parts = |reply: &protos::ProposalResponse| -> Option<protos::ChaincodeAction> {
        let payload: protos::ProposalResponsePayload = decode(&reply.payload, "payload").ok()?;
        decode(&payload.extension, "action").ok()
    };
    let first = replies
        .first()
        .and_then(|(_, reply)| parts(reply))
        .unwrap_or_default();
    let first_name = replies
        .first()
        .map_or("", |(detail, _)| detail.msp_id.as_str());
    let details = replies
        .iter()
        .map(|(detail, reply)| {
            let other = parts(reply).unwrap_or_default();
            let differing: Vec<&str> = [
                ("response", other.response != first.response),
                ("read-write set", other.results != first.results),
                ("events", other.events != first.events),
                ("contract version", other.chaincode_id != first.chaincode_id),
            ]
            .into_iter()
            .filter_map(|(part, differs)| differs.then_some(part))
            .collect();
            let message = if differing.is_empty() && detail.msp_id == first_name {
                "its result is what the others are compared with".to_owned()
            } else if differing.is_empty() {
                format!("its result is the same as {first_name}'s")
            } else {
                let place = first_difference(&first, &other);
                format!(
                    "its {} differs from {first_name}'s{}",
                    differing.join(" and "),
                    place.map_or(String::new(), |place| format!(", first at {place}"))
                )
            };
            Detail {
                message,
                ..detail.clone()
            }
        })
        .collect();
    Failure::Disagreement(details)
}

/// The first key or event at which two results differ. It goes to the client whose call it was.
fn first_difference(
    left: &protos::ChaincodeAction,
    right: &protos::ChaincodeAction,
) -> Option<String> {
    if left.results != right.results {
        let sets = [left, right].map(|action| decode_rw_set(&action.results).ok());
        let [Some(left), Some(right)] = sets else {
            return None;
        };
        return first_key(&left, &right);
    }
    if left.events != right.events {
        let names = [left, right].map(|action| {
            let event: Option<protos::ChaincodeEvent> = decode(&action.events, "event").ok();
            event.map(|mut last| {
                let mut events = std::mem::take(&mut last.earlier);
                events.push(last);
                events
            })
        });
        let [left, right] = names.map(Option::unwrap_or_default);
        let at = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
        let event = left.get(at).or(right.get(at))?;
        return Some(format!("event {at}, {:?}", event.event_name));
    }
    None
}

/// What a set says of one key of one contract.
#[derive(PartialEq)]
enum Access<'a> {
    Read(Option<Version>),
    Scan(&'a RangeRead),
    Write(Option<&'a [u8]>),
}

/// The first key, in order of contracts and keys, of which two read-write sets say different things.
fn first_key(left: &ReadWriteSet, right: &ReadWriteSet) -> Option<String> {
    type Accesses<'a> = BTreeMap<(&'a str, &'a str, &'static str, usize), Access<'a>>;
    fn accesses(set: &ReadWriteSet) -> Accesses<'_> {
        let mut all = Accesses::new();
        for set in &set.contracts {
            let contract = set.contract.as_str();
            for read in &set.reads {
                let access = Access::Read(read.version);
                all.insert((contract, &read.key, "read", 0), access);
            }
            for (index, scan) in set.range_reads.iter().enumerate() {
                let access = Access::Scan(scan);
                all.insert((contract, &scan.start, "scanned from", index), access);
            }
            for write in &set.writes {
                let access = Access::Write(write.value.as_deref());
                all.insert((contract, &write.key, "written", 0), access);
            }
        }
        all
    }
    let (left, right) = (accesses(left), accesses(right));
    let places: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    let place = places
        .into_iter()
        .find(|place| left.get(*place) != right.get(*place))?;
    let (contract, key, how, _) = place;
    Some(format!(
        "key {key:?} of contract {contract}, which is {how}"
    ))
}

#[cfg(test)]
mod tests {
    use cordon_types::{ContractReadWriteSet, KeyRead, KeyWrite};
    use cordon_wire::rw_set::encode_rw_set;

    use super::*;

    fn action(reads: &[(&str, u64)], writes: &[(&str, &str)]) -> protos::ChaincodeAction {
        let version = |block| Some(Version { block, tx: 0 });
        let set = ContractReadWriteSet {
            contract: "emr".parse().unwrap(),
            reads: reads
                .iter()
                .map(|(key, block)| KeyRead {
                    key: (*key).to_owned(),
                    version: version(*block),
                })
                .collect(),
            range_reads: Vec::new(),
            writes: writes
                .iter()
                .map(|(key, value)| KeyWrite {
                    key: (*key).to_owned(),
                    value: Some(Bytes::copy_from_slice(value.as_bytes())),
                })
                .collect(),
        };
        protos::ChaincodeAction {
            results: encode_rw_set(&ReadWriteSet {
                contracts: vec![set],
            }),
            ..Default::default()
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let of = |left: &protos::ChaincodeAction, right| first_difference(left, right);
        let one = action(&[("a", 1), ("b", 1)], &[("c", "x")]);
        assert_eq!(of(&one, &one), None);
        let other = action(&[("a", 1), ("b", 2)], &[("c", "y")]);
        let expected = "key \"b\" of contract emr, which is read";
        assert_eq!(of(&one, &other).as_deref(), Some(expected));
        let other = action(&[("a", 1), ("b", 1)], &[("c", "y")]);
        let expected = "key \"c\" of contract emr, which is written";
        assert_eq!(of(&one, &other).as_deref(), Some(expected));
        let fewer = action(&[("a", 1)], &[("c", "x")]);
        assert!(of(&fewer, &one).unwrap().contains("\"b\""));

        let event = |name: &str| protos::ChaincodeAction {
            events: cordon_wire::encode(&protos::ChaincodeEvent {
                event_name: name.to_owned(),
                ..Default::default()
            }),
            ..one.clone()
        };
        let expected = "event 0, \"First\"";
        assert_eq!(
            of(&event("First"), &event("Second")).as_deref(),
            Some(expected)
        );
    }
    #[test]
    fn endorsers_that_differ_are_named_with_the_place() {
        let reply = |organization: &str, action: &protos::ChaincodeAction| {
            let detail = Detail {
                address: format!("{organization}.example:7051"),
                msp_id: format!("{organization}MSP"),
                message: String::new(),
            };
            let payload = cordon_wire::encode(&protos::ProposalResponsePayload {
                proposal_hash: Bytes::new(),
                extension: cordon_wire::encode(action),
            });
            let reply = protos::ProposalResponse {
                payload,
                ..Default::default()
            };
            (detail, reply)
        };
        let one = action(&[("a", 1)], &[("c", "x")]);
        let other = action(&[("a", 1)], &[("c", "y")]);
        let failure = disagreement(&[
            reply("Hospital", &one),
            reply("Clinic", &other),
            reply("School", &one),
        ]);
        let Failure::Disagreement(details) = failure else {
            panic!("another failure");
        };
        let told = details.iter().map(|detail| {
            let Detail {
                address,
                msp_id,
                message,
            } = detail;
            format!("{msp_id} at {address}: {message}")
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "HospitalMSP at Hospital.example:7051: its result is what the others are compared with",
                "ClinicMSP at Clinic.example:7051: its read-write set differs from HospitalMSP's, first at key \"c\" of contract emr, which is written",
                "SchoolMSP at School.example:7051: its result is the same as HospitalMSP's",
            ]
        );
    }
}
