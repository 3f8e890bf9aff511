//! `CheckCommitReadiness` and `CommitChaincodeDefinition`: whether enough organisations approved the
//! same definition and the same component.

use cordon_policy::{MetaPolicyRefusal, Signer, SignerRole};
use cordon_types::{MspId, Response, Version, status};
use cordon_wire::proto::lifecycle::{
    CheckCommitReadinessResult, DefinitionArgs, check_commit_readiness_result::Mismatches,
};

use crate::approve::{done, follows, next_sequence};
use crate::call::{Request, State, Stop, View, answer, refuse};
use crate::definition::{CHAINCODE_PARAMETERS, Definition, PACKAGE, Parameters, in_words};
use crate::entries::{Approval, Key};

pub(crate) fn readiness(
    request: &Request,
    view: &View,
    state: &State<'_>,
) -> Result<Response, Stop> {
    let (parameters, committed, _) = read(request, view, state)?;
    next_sequence(&parameters, committed.as_ref())?;
    let count = Count::new(&parameters, view, state)?;
    let mut result = CheckCommitReadinessResult::default();
    for standing in &count.standings {
        let msp_id = standing.msp_id.to_string();
        let items: Vec<String> = standing.mismatches.iter().map(|&i| i.to_owned()).collect();
        result.approvals.insert(msp_id.clone(), items.is_empty());
        if !items.is_empty() {
            result.mismatches.insert(msp_id, Mismatches { items });
        }
    }
    Ok(answer(&result))
}

pub(crate) fn commit(
    request: &Request,
    view: &View,
    state: &mut State<'_>,
) -> Result<Response, Stop> {
    let (parameters, committed, version) = read(request, view, state)?;
    next_sequence(&parameters, committed.as_ref())?;
    let count = Count::new(&parameters, view, state)?;
    let component = match (count.component, &count.verdict) {
        (Some(component), Ok(())) => component,
        (_, verdict) => return Err(count.refusal(&parameters, view, verdict.as_ref().err())),
    };
    if count.tied {
        return Err(refuse(
            status::CONFLICT,
            format!(
                "sequence {} of contract {} is approved with several components, each by enough \
                 organisations: {}; agree on one, and have the others approve it",
                parameters.sequence,
                parameters.name,
                count.in_words(&parameters)
            ),
        ));
    }
    follows(&parameters, component, committed.as_ref())?;
    let key = Key::Definition(parameters.name.clone());
    state.depend(&key, version);
    // It depends on the approvals that it counts. One more that comes meanwhile does no harm.
    for standing in count.standings.iter().filter(|s| s.mismatches.is_empty()) {
        state.depend(
            &approval_key(&parameters, &standing.msp_id),
            standing.version,
        );
    }
    state.put(&key, Definition::new(&parameters, component).encode());
    Ok(done())
}

type Read = (Parameters, Option<Definition>, Option<Version>);

/// What is asked for, and what is committed.
fn read(request: &Request, view: &View, state: &State<'_>) -> Result<Read, Stop> {
    let args: DefinitionArgs = request.argument()?;
    let parameters = Parameters::read(&args, &view.members)
        .map_err(|message| refuse(status::INVALID, message))?;
    let (committed, version) = state.committed(view, &parameters.name)?;
    Ok((parameters, committed, version))
}

fn approval_key(parameters: &Parameters, msp_id: &MspId) -> Key {
    Key::Approval {
        contract: parameters.name.clone(),
        sequence: parameters.sequence,
        msp_id: msp_id.clone(),
    }
}

/// Where one organisation stands.
struct Standing {
    msp_id: MspId,
    /// What it approved for this contract and sequence.
    approval: Option<Approval>,
    /// Of the entry.
    version: Option<Version>,
    /// Empty when it approved just this, with the component that counts.
    mismatches: Vec<&'static str>,
}

/// Who approved what of one definition.
struct Count {
    /// One for each member, in order.
    standings: Vec<Standing>,
    /// The component that counts: of those that enough organisations approved the one that most did;
    /// else the one that most approved. Of several, the one of the first organisation. `None` when
    /// nobody approved the definition.
    component: Option<[u8; 32]>,
    /// Whether those who approved it are enough.
    verdict: Result<(), MetaPolicyRefusal>,
    /// Whether another component is approved by as many, who are enough too.
    tied: bool,
}

impl Count {
    fn new(parameters: &Parameters, view: &View, state: &State<'_>) -> Result<Self, Stop> {
        let mut standings = Vec::new();
        // In the order of the first organisation that approved it.
        let mut components: Vec<([u8; 32], Vec<MspId>)> = Vec::new();
        for msp_id in &view.members {
            let (value, version) = state.get(&approval_key(parameters, msp_id))?;
            let approval = value.map(|value| Approval::decode(&value)).transpose()?;
            let mismatches = match &approval {
                Some(approval) => parameters.differences(&approval.definition),
                None => vec![CHAINCODE_PARAMETERS],
            };
            if let Some(approval) = approval.as_ref().filter(|_| mismatches.is_empty()) {
                let component = approval.definition.component_sha256;
                match components.iter_mut().find(|(known, _)| *known == component) {
                    Some((_, organizations)) => organizations.push(msp_id.clone()),
                    None => components.push((component, vec![msp_id.clone()])),
                }
            }
            standings.push(Standing {
                msp_id: msp_id.clone(),
                approval,
                version,
                mismatches,
            });
        }
        let mut judged: Vec<_> = components
            .into_iter()
            .map(|(component, by)| (enough(view, &by), by.len(), component))
            .collect();
        // Stable: of equals, the first organisation's stays first.
        judged.sort_by_key(|(verdict, count, _)| (verdict.is_err(), std::cmp::Reverse(*count)));
        let tied = matches!(
            judged.as_slice(),
            [(Ok(()), first, _), (Ok(()), second, _), ..] if first == second
        );
        let (verdict, component) = match judged.into_iter().next() {
            Some((verdict, _, component)) => (verdict, Some(component)),
            None => (enough(view, &[]), None),
        };
        for standing in &mut standings {
            let other = standing
                .approval
                .as_ref()
                .is_some_and(|approval| Some(approval.definition.component_sha256) != component);
            if other && component.is_some() {
                standing.mismatches.push(PACKAGE);
            }
        }
        Ok(Self {
            standings,
            component,
            verdict,
            tied,
        })
    }

    fn refusal(
        &self,
        parameters: &Parameters,
        view: &View,
        refusal: Option<&MetaPolicyRefusal>,
    ) -> Stop {
        let needs = match refusal {
            Some(MetaPolicyRefusal::Organisations { needs, .. }) => {
                let of = self.standings.len();
                format!("{} asks for {needs} of {of}", view.lifecycle_policy)
            }
            Some(other) => other.to_string(),
            None => view.lifecycle_policy.to_string(),
        };
        refuse(
            status::CONFLICT,
            format!(
                "sequence {} of contract {} is not approved by enough organisations ({needs}): {}; \
                 the admins of those that lack call ApproveChaincodeDefinitionForMyOrg with the \
                 same definition, then commit again",
                parameters.sequence,
                parameters.name,
                self.in_words(parameters)
            ),
        )
    }

    /// `A approved it; B has not approved this sequence; C approved it with another version`.
    fn in_words(&self, parameters: &Parameters) -> String {
        let mut words = Vec::new();
        for standing in &self.standings {
            let msp_id = &standing.msp_id;
            let Some(approval) = &standing.approval else {
                words.push(format!("{msp_id} has not approved this sequence"));
                continue;
            };
            let sha256 = hex::encode(&approval.definition.component_sha256[..8]);
            let items: Vec<&str> = standing.mismatches.iter().map(|i| in_words(i)).collect();
            words.push(match items.as_slice() {
                [] => format!("{msp_id} approved it (component {sha256}…)"),
                items if standing.mismatches == [PACKAGE] => {
                    format!(
                        "{msp_id} approved it with {} ({sha256}…)",
                        items.join(" and ")
                    )
                }
                items => {
                    let version = &approval.definition.version;
                    let mut text = format!("{msp_id} approved it with {}", items.join(" and "));
                    if *version != parameters.version {
                        text.push_str(&format!(" ({version})"));
                    }
                    text
                }
            });
        }
        words.join("; ")
    }
}

/// Whether these organisations' approvals are enough.
fn enough(view: &View, organizations: &[MspId]) -> Result<(), MetaPolicyRefusal> {
    let mut signers = Vec::new();
    for msp_id in organizations {
        // An approval is signed by an admin and endorsed by a host.
        for role in [SignerRole::Admin, SignerRole::Peer] {
            let mut identity_key = [0; 32];
            identity_key[..8].copy_from_slice(&(signers.len() as u64).to_be_bytes());
            signers.push(Signer {
                identity_key,
                msp_id: msp_id.clone(),
                role,
            });
        }
    }
    view.lifecycle_policy.evaluate(&signers, &view.members)
}
