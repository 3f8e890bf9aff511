//! The queries of definitions and approvals.

use std::collections::BTreeMap;

use cordon_types::{ContractId, Response, Snapshot, StateError, status};
use cordon_wire::proto::lifecycle::{
    ChaincodeSource, QueryApprovedChaincodeDefinitionArgs, QueryApprovedChaincodeDefinitionResult,
    QueryApprovedChaincodeDefinitionsResult, QueryChaincodeDefinitionArgs,
    QueryChaincodeDefinitionResult, QueryChaincodeDefinitionsResult, chaincode_source,
    query_approved_chaincode_definitions_result, query_chaincode_definitions_result,
};
use cordon_wire::proto::protos::CollectionConfigPackage;

use crate::call::{Request, State, Stop, View, answer, damaged, later, refuse};
use crate::definition::{Definition, ENDORSEMENT_PLUGIN, VALIDATION_PLUGIN, contract_name};
use crate::entries::{APPROVALS, Approval, DEFINITIONS, Entry, Key};
use crate::names::PackageId;

/// One approval of this host's organisation; with sequence 0 the latest one.
pub(crate) fn approved(
    request: &Request,
    view: &View,
    state: &State<'_>,
) -> Result<Response, Stop> {
    request.only_admins()?;
    let args: QueryApprovedChaincodeDefinitionArgs = request.argument()?;
    let contract = name(&args.name)?;
    let host = &request.host;
    let key = |sequence| Key::Approval {
        contract: contract.clone(),
        sequence,
        msp_id: host.clone(),
    };
    let found = match args.sequence {
        0 => own(state, &Key::approvals(&contract), request)?.pop(),
        sequence if sequence < 0 => {
            let text = format!("sequence {sequence} is not one: give 0 for the latest");
            return Err(refuse(status::INVALID, text));
        }
        sequence => match state.get(&key(sequence))?.0 {
            Some(value) => Some((contract.clone(), Approval::decode(&value)?)),
            None => None,
        },
    };
    let Some((_, approval)) = found else {
        let what = match args.sequence {
            0 => "nothing".to_owned(),
            sequence => format!("no definition with sequence {sequence}"),
        };
        let committed = match state.committed(view, &contract)?.0 {
            Some(committed) => format!("sequence {} is committed", committed.sequence),
            None => "none is committed".to_owned(),
        };
        return Err(refuse(
            status::NOT_FOUND,
            format!("{host} has approved {what} for contract {contract}; {committed}"),
        ));
    };
    let definition = approval.definition;
    Ok(answer(&QueryApprovedChaincodeDefinitionResult {
        sequence: definition.sequence,
        endorsement_plugin: ENDORSEMENT_PLUGIN.to_owned(),
        validation_plugin: VALIDATION_PLUGIN.to_owned(),
        validation_parameter: definition.endorsement.encode(),
        version: definition.version,
        collections: Some(CollectionConfigPackage::default()),
        init_required: false,
        source: Some(source(&approval.package_id)),
    }))
}

/// All approvals of this host's organisation, by name and sequence.
pub(crate) fn all_approved(request: &Request, state: &State<'_>) -> Result<Response, Stop> {
    use query_approved_chaincode_definitions_result::Definition as Message;
    request.only_admins()?;
    let approvals = own(state, APPROVALS, request)?;
    let message = |(contract, approval): (ContractId, Approval)| Message {
        name: contract.to_string(),
        sequence: approval.definition.sequence,
        endorsement_plugin: ENDORSEMENT_PLUGIN.to_owned(),
        validation_plugin: VALIDATION_PLUGIN.to_owned(),
        validation_parameter: approval.definition.endorsement.encode(),
        version: approval.definition.version,
        collections: Some(CollectionConfigPackage::default()),
        init_required: false,
        source: Some(source(&approval.package_id)),
    };
    Ok(answer(&QueryApprovedChaincodeDefinitionsResult {
        approved_chaincode_definitions: approvals.into_iter().map(message).collect(),
    }))
}

/// A committed definition, and who has approved it.
pub(crate) fn committed(
    request: &Request,
    view: &View,
    state: &State<'_>,
) -> Result<Response, Stop> {
    let args: QueryChaincodeDefinitionArgs = request.argument()?;
    let contract = name(&args.name)?;
    let (Some(definition), _) = state.committed(view, &contract)? else {
        return Err(refuse(
            status::NOT_FOUND,
            format!(
                "contract {contract} has no committed definition on this channel: approve and \
                 commit one, or see QueryChaincodeDefinitions for those that have"
            ),
        ));
    };
    let mut approvals = BTreeMap::new();
    for msp_id in &view.members {
        let key = Key::Approval {
            contract: contract.clone(),
            sequence: definition.sequence,
            msp_id: msp_id.clone(),
        };
        let approval = state.get(&key)?.0.map(|value| Approval::decode(&value));
        let approved = approval
            .transpose()?
            .is_some_and(|a| a.definition == definition);
        approvals.insert(msp_id.to_string(), approved);
    }
    Ok(answer(&QueryChaincodeDefinitionResult {
        sequence: definition.sequence,
        endorsement_plugin: ENDORSEMENT_PLUGIN.to_owned(),
        validation_plugin: VALIDATION_PLUGIN.to_owned(),
        validation_parameter: definition.endorsement.encode(),
        version: definition.version,
        collections: Some(CollectionConfigPackage::default()),
        init_required: false,
        approvals,
    }))
}

/// All committed definitions, by name.
pub(crate) fn all_committed(view: &View, state: &State<'_>) -> Result<Response, Stop> {
    use query_chaincode_definitions_result::Definition as Message;
    let mut definitions = view.definitions.clone();
    for (contract, definition) in ledgers(state)? {
        let views = definitions.remove(&contract);
        definitions.extend(later(Some(definition), views).map(|d| (contract, d)));
    }
    let message = |(contract, definition): (ContractId, Definition)| Message {
        name: contract.to_string(),
        sequence: definition.sequence,
        endorsement_plugin: ENDORSEMENT_PLUGIN.to_owned(),
        validation_plugin: VALIDATION_PLUGIN.to_owned(),
        validation_parameter: definition.endorsement.encode(),
        version: definition.version,
        collections: Some(CollectionConfigPackage::default()),
        init_required: false,
    };
    Ok(answer(&QueryChaincodeDefinitionsResult {
        chaincode_definitions: definitions.into_iter().map(message).collect(),
    }))
}

/// The definitions that the ledger has, by name: what a channel that opens begins with.
///
/// # Errors
/// [`StateError`] when the state cannot be read, or holds what no host writes.
pub fn committed_definitions(
    snapshot: &dyn Snapshot,
) -> Result<BTreeMap<ContractId, Definition>, StateError> {
    ledgers(&State::new(snapshot))
}

fn ledgers(state: &State<'_>) -> Result<BTreeMap<ContractId, Definition>, StateError> {
    let mut definitions = BTreeMap::new();
    for (key, value) in state.all(DEFINITIONS)? {
        if let Entry::Definition {
            contract,
            definition,
        } = Entry::read(&key, &value).map_err(|error| damaged(&error))?
        {
            definitions.insert(contract, definition);
        }
    }
    Ok(definitions)
}

/// The approvals of this host's organisation below a prefix, in order of name and sequence.
fn own(
    state: &State<'_>,
    prefix: &str,
    request: &Request,
) -> Result<Vec<(ContractId, Approval)>, Stop> {
    let mut found = Vec::new();
    for (key, value) in state.all(prefix)? {
        if let Entry::Approval {
            contract,
            msp_id,
            approval,
        } = Entry::read(&key, &value)?
            && msp_id == request.host
        {
            found.push((contract, approval));
        }
    }
    Ok(found)
}

fn name(name: &str) -> Result<ContractId, Stop> {
    contract_name(name).map_err(|message| refuse(status::INVALID, message))
}

fn source(package_id: &PackageId) -> ChaincodeSource {
    let package_id = package_id.to_string();
    let local = chaincode_source::Local { package_id };
    ChaincodeSource {
        r#type: Some(chaincode_source::Type::LocalPackage(local)),
    }
}
