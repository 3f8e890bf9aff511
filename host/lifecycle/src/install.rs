//! The functions that concern a host and no channel: which packages it has.

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_types::{ChannelId, ContractId, Response, status};
use cordon_wire::proto::lifecycle::{
    Chaincode, GetInstalledChaincodePackageArgs, GetInstalledChaincodePackageResult,
    InstallChaincodeArgs, InstallChaincodeResult, QueryInstalledChaincodeArgs,
    QueryInstalledChaincodeResult, QueryInstalledChaincodesResult, References,
};

use crate::call::{Function, Packages, Request, Stop, answer, refuse};
use crate::names::PackageId;
use crate::package::Package;

/// Where a host keeps packages.
pub trait PackageStore: Packages {
    /// Keeps a package. It may be there already.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a component that hosts do not accept; [`StoreError::Broken`] when
    /// it cannot be written, and then it is not there.
    fn install(&self, package: &Package) -> Result<(), StoreError>;

    /// Every package that is whole, by id.
    fn list(&self) -> Vec<PackageId>;

    /// The bytes of a package; `None` when it is not installed.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it cannot be read, or is no longer what it was.
    fn get(&self, package_id: &PackageId) -> Result<Option<Bytes>, StoreError>;
}

/// A package that is not kept or not given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may not be installed; says why.
    #[error("{0}")]
    Refused(String),
    /// This host cannot do it; says why, for its operator only.
    #[error("the packages of this host: {0}")]
    Broken(String),
}

/// The contracts that a component runs as: channel, and name and version there.
pub type Uses = BTreeMap<ChannelId, Vec<(ContractId, String)>>;

/// Answers a function that concerns this host. `uses` tells what a component is used for here.
///
/// # Errors
/// [`StoreError::Broken`]: this host has no answer.
pub fn call_host(
    request: &Request,
    store: &dyn PackageStore,
    uses: &dyn Fn(&[u8; 32]) -> Uses,
) -> Result<Response, StoreError> {
    let answered = match request.function {
        Function::InstallChaincode => install(request, store),
        Function::QueryInstalledChaincode => one(request, store, uses),
        Function::QueryInstalledChaincodes => all(request, store, uses),
        Function::GetInstalledChaincodePackage => get(request, store),
        other => Err(Failed::Answer(refuse(
            status::INVALID,
            format!("{} concerns a channel: call it on one", other.as_str()),
        ))),
    };
    match answered {
        Ok(response) | Err(Failed::Answer(Stop::Refused(response))) => Ok(response),
        Err(Failed::Answer(Stop::State(error))) => Err(StoreError::Broken(error.to_string())),
        Err(Failed::Store(error)) => Err(error),
    }
}

enum Failed {
    Answer(Stop),
    Store(StoreError),
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Self::Answer(stop)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(message) => Self::Answer(refuse(status::INVALID, message)),
            broken @ StoreError::Broken(_) => Self::Store(broken),
        }
    }
}

fn install(request: &Request, store: &dyn PackageStore) -> Result<Response, Failed> {
    request.only_admins()?;
    let args: InstallChaincodeArgs = request.argument()?;
    let package = Package::read(&args.chaincode_install_package).map_err(|error| {
        let text = format!("this is no package of a contract: {error}");
        refuse(status::INVALID, text)
    })?;
    store.install(&package)?;
    Ok(answer(&InstallChaincodeResult {
        package_id: package.id().to_string(),
        label: package.id().label.to_string(),
    }))
}

fn one(
    request: &Request,
    store: &dyn PackageStore,
    uses: &dyn Fn(&[u8; 32]) -> Uses,
) -> Result<Response, Failed> {
    request.only_admins()?;
    let args: QueryInstalledChaincodeArgs = request.argument()?;
    let package_id = package_id(&args.package_id)?;
    match store.component(&package_id) {
        Some(component) => Ok(answer(&described(&package_id, uses(&component)))),
        None => Err(not_installed(&package_id).into()),
    }
}

fn all(
    request: &Request,
    store: &dyn PackageStore,
    uses: &dyn Fn(&[u8; 32]) -> Uses,
) -> Result<Response, Failed> {
    request.only_admins()?;
    let mut result = QueryInstalledChaincodesResult::default();
    for package_id in store.list() {
        let uses = store.component(&package_id).map(|c| uses(&c));
        let described = described(&package_id, uses.unwrap_or_default());
        result.installed_chaincodes.push(described);
    }
    Ok(answer(&result))
}

fn get(request: &Request, store: &dyn PackageStore) -> Result<Response, Failed> {
    request.only_admins()?;
    let args: GetInstalledChaincodePackageArgs = request.argument()?;
    let package_id = package_id(&args.package_id)?;
    match store.get(&package_id)? {
        Some(chaincode_install_package) => Ok(answer(&GetInstalledChaincodePackageResult {
            chaincode_install_package,
        })),
        None => Err(not_installed(&package_id).into()),
    }
}

fn package_id(text: &str) -> Result<PackageId, Stop> {
    text.parse()
        .map_err(|error: crate::NameError| refuse(status::INVALID, error.to_string()))
}

fn not_installed(package_id: &PackageId) -> Stop {
    let text = format!(
        "package {package_id} is not installed on this host: QueryInstalledChaincodes tells which are"
    );
    refuse(status::NOT_FOUND, text)
}

fn described(package_id: &PackageId, uses: Uses) -> QueryInstalledChaincodeResult {
    let references = uses.into_iter().map(|(channel, contracts)| {
        let chaincodes = contracts.into_iter().map(|(name, version)| Chaincode {
            name: name.to_string(),
            version,
        });
        let chaincodes = chaincodes.collect();
        (channel.to_string(), References { chaincodes })
    });
    QueryInstalledChaincodeResult {
        package_id: package_id.to_string(),
        label: package_id.label.to_string(),
        references: references.collect(),
    }
}
