//! `ApproveChaincodeDefinitionForMyOrg`, and the rules of sequences that committing shares.

use bytes::Bytes;
use cordon_types::{Response, status};
use cordon_wire::proto::lifecycle::{DefinitionArgs, chaincode_source};

use crate::call::{Packages, Request, State, Stop, View, refuse};
use crate::definition::{Definition, PACKAGE, Parameters, in_words};
use crate::entries::{Approval, Key};
use crate::names::PackageId;

pub(crate) fn approve(
    request: &Request,
    view: &View,
    state: &mut State<'_>,
    packages: &dyn Packages,
) -> Result<Response, Stop> {
    request.only_admins()?;
    let args: DefinitionArgs = request.argument()?;
    let parameters = Parameters::read(&args, &view.members)
        .map_err(|message| refuse(status::INVALID, message))?;
    let package_id = package(&args)?;
    let component = packages.component(&package_id).ok_or_else(|| {
        refuse(
            status::NOT_FOUND,
            format!("package {package_id} is not installed on this host: install it first"),
        )
    })?;
    let definition = Definition::new(&parameters, component);
    let (committed, version) = state.committed(view, &parameters.name)?;
    match &committed {
        Some(committed) if committed.sequence == definition.sequence => {
            same(&parameters, &definition, committed)?;
        }
        committed => follows(&parameters, component, committed.as_ref())?,
    }
    let key = Key::Approval {
        contract: parameters.name.clone(),
        sequence: definition.sequence,
        msp_id: request.host.clone(),
    };
    // Of two approvals of one organisation at a time one wins, and none outlives a commit unseen.
    state.depend(&Key::Definition(parameters.name.clone()), version);
    let (_, version) = state.get(&key)?;
    state.depend(&key, version);
    let approval = Approval {
        definition,
        package_id,
    };
    state.put(&key, approval.encode());
    Ok(done())
}

/// Accepted; both functions that write answer an empty message.
pub(crate) fn done() -> Response {
    Response {
        status: status::OK,
        message: String::new(),
        payload: Bytes::new(),
    }
}

/// The package that the argument names.
fn package(args: &DefinitionArgs) -> Result<PackageId, Stop> {
    use chaincode_source::Type;
    match args
        .source
        .as_ref()
        .and_then(|source| source.r#type.as_ref())
    {
        Some(Type::LocalPackage(local)) => local
            .package_id
            .parse()
            .map_err(|e: crate::NameError| refuse(status::INVALID, e.to_string())),
        Some(Type::Unavailable(_)) | None => Err(refuse(
            status::INVALID,
            "an approval names the package that it is about, as members agree on code: install the \
             package on this host, and approve with its package id",
        )),
    }
}

/// Refuses a definition that does not follow the committed one, or has its version with other code.
pub(crate) fn follows(
    parameters: &Parameters,
    component: [u8; 32],
    committed: Option<&Definition>,
) -> Result<(), Stop> {
    let name = &parameters.name;
    next_sequence(parameters, committed)?;
    if let Some(committed) = committed
        && committed.component_sha256 != component
        && committed.version == parameters.version
    {
        return Err(refuse(
            status::CONFLICT,
            format!(
                "version {} of contract {name} is committed with another component: give the new \
                 component a version of its own, by which transactions endorsed on the old one \
                 are told apart",
                parameters.version
            ),
        ));
    }
    Ok(())
}

/// Refuses a sequence that is not the committed one's next.
pub(crate) fn next_sequence(
    parameters: &Parameters,
    committed: Option<&Definition>,
) -> Result<(), Stop> {
    let name = &parameters.name;
    let asked = parameters.sequence;
    let last = committed.map_or(0, |committed| committed.sequence);
    if last.checked_add(1) == Some(asked) {
        return Ok(());
    }
    let text = match committed {
        None => format!(
            "contract {name} has no committed definition, so its first sequence is 1, not {asked}"
        ),
        Some(_) => format!(
            "contract {name} has committed sequence {last}, so the next one is {}, not {asked}",
            last.saturating_add(1)
        ),
    };
    Err(refuse(status::CONFLICT, text))
}

/// Refuses to approve otherwise what is committed.
fn same(
    parameters: &Parameters,
    definition: &Definition,
    committed: &Definition,
) -> Result<(), Stop> {
    let mut items = parameters.differences(committed);
    if definition.component_sha256 != committed.component_sha256 {
        items.push(PACKAGE);
    }
    if items.is_empty() {
        return Ok(());
    }
    let words: Vec<&str> = items.iter().map(|item| in_words(item)).collect();
    Err(refuse(
        status::CONFLICT,
        format!(
            "sequence {} of contract {} is committed, and this approval has {}: approve what is \
             committed, or a new definition with sequence {}",
            committed.sequence,
            parameters.name,
            words.join(" and "),
            committed.sequence.saturating_add(1)
        ),
    ))
}
