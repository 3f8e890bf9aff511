//! `peer lifecycle chaincode`: a contract comes onto a channel by Fabric's own command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cordon_execute::Profile;
use cordon_lifecycle::Package;
use cordon_tests::{CHANNEL, CLINIC, HOSPITAL, Network, PeerCli, Random, Table};
use cordon_types::TxId;
use cordon_wire::proto::lifecycle as messages;
use cordon_wire::proto::lifecycle::chaincode_source;
use cordon_wire::proto::protos::{CollectionConfig, CollectionConfigPackage};
use tempfile::TempDir;

use crate::invoke;

const INSTALL: &str = "InstallChaincode";
const INSTALLED: &str = "QueryInstalledChaincodes";
const GET: &str = "GetInstalledChaincodePackage";
const APPROVE: &str = "ApproveChaincodeDefinitionForMyOrg";
const READINESS: &str = "CheckCommitReadiness";
const COMMIT: &str = "CommitChaincodeDefinition";
const COMMITTED: &str = "QueryChaincodeDefinition";
const ALL_COMMITTED: &str = "QueryChaincodeDefinitions";
const APPROVED: &str = "QueryApprovedChaincodeDefinition";

/// No channel is named.
const HOST: &str = "";

/// A component whose function `run` writes `value` under key `run`, with so many bytes that no
/// compressor makes fewer.
fn component(value: &str, filler: usize) -> Vec<u8> {
    let text = include_str!("../lifecycle/register.wat");
    let text = text.replace("VALUE", value);
    let text = text.replace("LENGTH", &value.len().to_string());
    let mut random = Random::new(7);
    let bytes = (0..filler).map(|_| format!("\\{:02x}", random.below(256)));
    // Of a passive segment, which no memory holds.
    let data = format!(
        "(data \"{}\")\n(func (export \"realloc\")",
        bytes.collect::<String>()
    );
    wat::parse_str(text.replace("(func (export \"realloc\")", &data)).unwrap()
}

fn package(label: &str, component: &[u8]) -> Package {
    Package::write(&label.parse().unwrap(), "", component).unwrap()
}

fn of_package(package: &Package) -> messages::InstallChaincodeArgs {
    messages::InstallChaincodeArgs {
        chaincode_install_package: package.bytes().clone(),
    }
}

/// `--package-id`.
fn source(package_id: &str) -> messages::ChaincodeSource {
    let package_id = package_id.to_owned();
    let local = chaincode_source::Local { package_id };
    messages::ChaincodeSource {
        r#type: Some(chaincode_source::Type::LocalPackage(local)),
    }
}

/// `-n register -v VERSION --sequence N`.
fn definition(version: &str, sequence: i64) -> messages::DefinitionArgs {
    messages::DefinitionArgs {
        sequence,
        name: "register".to_owned(),
        version: version.to_owned(),
        ..Default::default()
    }
}

fn of_name(name: &str) -> messages::QueryChaincodeDefinitionArgs {
    messages::QueryChaincodeDefinitionArgs {
        name: name.to_owned(),
    }
}

async fn install(cli: &PeerCli, package: &Package) -> Result<String, String> {
    let argument = of_package(package);
    let installed: messages::InstallChaincodeResult =
        cli.lifecycle_query(HOST, INSTALL, &argument).await?;
    assert_eq!(installed.label, package.id().label.to_string());
    Ok(installed.package_id)
}

async fn approve(
    cli: &PeerCli,
    definition: messages::DefinitionArgs,
    package_id: &str,
) -> Result<TxId, String> {
    let approval = messages::DefinitionArgs {
        source: Some(source(package_id)),
        ..definition
    };
    cli.lifecycle_submit(CHANNEL, APPROVE, &approval).await
}

/// Who has approved, and what differs.
async fn readiness(
    cli: &PeerCli,
    definition: &messages::DefinitionArgs,
) -> Result<Vec<(String, bool, Vec<String>)>, String> {
    let found = cli.lifecycle_query(CHANNEL, READINESS, definition).await;
    let messages::CheckCommitReadinessResult {
        approvals,
        mut mismatches,
    } = found?;
    let mut rows: Vec<_> = approvals
        .into_iter()
        .map(|(msp_id, approved)| {
            let items = mismatches.remove(&msp_id).unwrap_or_default().items;
            (msp_id, approved, items)
        })
        .collect();
    rows.sort();
    assert!(mismatches.is_empty(), "{mismatches:?}");
    Ok(rows)
}

fn row(msp_id: &str, items: &[&str]) -> (String, bool, Vec<String>) {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    (msp_id.to_owned(), items.is_empty(), items)
}

/// Everybody may call everything of `register`.
fn permit_everything(network: &Network) {
    let folder = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(root.join("policies/providers")).unwrap() {
        files.push(entry.unwrap().path());
    }
    for path in files {
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let everything = root.join("tests/hostile/policies/everything.cedar");
    fs::copy(everything, folder.path().join("register.cedar")).unwrap();
    let folder = folder.path().to_str().unwrap();
    let admins = ["--as", "hospital/admin", "--as", "clinic/admin"];
    let set = network.cli(&[&["policy", "set"], &admins[..], &[folder]].concat());
    assert_eq!(set.code, 0, "{set:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_comes_onto_a_channel_by_fabrics_command_line() {
    let network = Network::start().await;
    let hospital = PeerCli::new(&network, "hospital/admin", &[HOSPITAL]);
    let clinic = PeerCli::new(&network, "clinic/admin", &[CLINIC]);
    let both = PeerCli::new(&network, "hospital/admin", &[HOSPITAL, CLINIC]);
    let clerk = PeerCli::new(&network, "hospital/hc1", &[HOSPITAL]);
    let one = package("register_1", &component("one", 0));
    let id = one.id().to_string();
    let mut table = Table::new();

    // install, queryinstalled, getinstalledpackage: of a host.
    let refused = install(&clerk, &one).await.unwrap_err();
    table.contains("no admin installs", &refused, "status: 403 - ");
    table.contains("no admin", &refused, "is for admins of HospitalMSP only");
    let of_another = PeerCli::new(&network, "clinic/admin", &[HOSPITAL]);
    let refused = install(&of_another, &one).await.unwrap_err();
    let expected = "creator is not accepted: organisation \"ClinicMSP\" is not a member";
    table.contains("another's admin", &refused, expected);
    let get = messages::GetInstalledChaincodePackageArgs {
        package_id: id.clone(),
    };
    let missing: Result<messages::GetInstalledChaincodePackageResult, _> =
        hospital.lifecycle_query(HOST, GET, &get).await;
    let expected = format!("proposal failed with status: 404 - package {id} is not installed");
    table.contains("not installed", &missing.unwrap_err(), &expected);
    // It may be installed twice.
    for cli in [&hospital, &hospital] {
        table.equal("its id", install(cli, &one).await, Ok(id.clone()));
    }
    let found: messages::QueryInstalledChaincodesResult = hospital
        .lifecycle_query(HOST, INSTALLED, &())
        .await
        .unwrap();
    let [installed] = found.installed_chaincodes.as_slice() else {
        panic!("{found:?}");
    };
    table.equal("its id", &*installed.package_id, &*id);
    table.equal("its label", &*installed.label, "register_1");
    table.holds("no use yet", installed.references.is_empty());
    let found: messages::GetInstalledChaincodePackageResult =
        hospital.lifecycle_query(HOST, GET, &get).await.unwrap();
    table.holds(
        "the same bytes",
        found.chaincode_install_package == *one.bytes(),
    );

    // approveformyorg.
    let not_there = approve(&clinic, definition("1.0", 1), &id).await;
    let expected = format!("status: 404 - package {id} is not installed on this host");
    table.contains("not at the clinic", &not_there.unwrap_err(), &expected);
    install(&clinic, &one).await.unwrap();
    let refused = approve(&clerk, definition("1.0", 1), &id).await;
    table.contains("no admin approves", &refused.unwrap_err(), "status: 403 - ");
    for (case, changed, expected) in [
        (
            "sequence 2",
            definition("1.0", 2),
            "status: 409 - contract register has no committed definition, so its first sequence is 1, not 2",
        ),
        (
            "sequence 0",
            definition("1.0", 0),
            "status: 400 - sequence 0 is not one: a contract's first definition has sequence 1",
        ),
        (
            "init",
            messages::DefinitionArgs {
                init_required: true,
                ..definition("1.0", 1)
            },
            "status: 400 - contracts here have no init function: leave init-required out",
        ),
        (
            "collections",
            messages::DefinitionArgs {
                collections: Some(CollectionConfigPackage {
                    config: vec![CollectionConfig::default()],
                }),
                ..definition("1.0", 1)
            },
            "status: 400 - private data collections are not supported yet: leave them out",
        ),
        (
            "a system contract's name",
            messages::DefinitionArgs {
                name: "qscc".to_owned(),
                ..definition("1.0", 1)
            },
            "status: 400 - qscc is a contract that hosts answer themselves",
        ),
        (
            "a plugin",
            messages::DefinitionArgs {
                validation_plugin: "mine".to_owned(),
                ..definition("1.0", 1)
            },
            "status: 400 - there are no validation plugins here",
        ),
    ] {
        let refused = approve(&hospital, changed.clone(), &id).await;
        table.contains(case, &refused.unwrap_err(), expected);
        let refused = readiness(&hospital, &changed).await;
        table.contains(case, &refused.unwrap_err(), expected);
        let refused = both.lifecycle_submit(CHANNEL, COMMIT, &changed).await;
        table.contains(case, &refused.unwrap_err(), expected);
    }
    let of_first = messages::QueryApprovedChaincodeDefinitionArgs {
        name: "register".to_owned(),
        sequence: 0,
    };
    let none: Result<messages::QueryApprovedChaincodeDefinitionResult, _> =
        hospital.lifecycle_query(CHANNEL, APPROVED, &of_first).await;
    let expected = "status: 404 - HospitalMSP has approved nothing for contract register";
    table.contains("nothing approved", &none.unwrap_err(), expected);
    approve(&hospital, definition("1.0", 1), &id).await.unwrap();

    // checkcommitreadiness, with one approval, then with two that differ.
    let first = definition("1.0", 1);
    let missing = row("ClinicMSP", &["ChaincodeParameters"]);
    table.equal(
        "one approved",
        readiness(&hospital, &first).await,
        Ok(vec![missing, row("HospitalMSP", &[])]),
    );
    let early = both.lifecycle_submit(CHANNEL, COMMIT, &first).await;
    let expected = "status: 409 - sequence 1 of contract register is not approved by enough organisations (MAJORITY Endorsement asks for 2 of 2): ClinicMSP has not approved this sequence";
    table.contains("too early", &early.unwrap_err(), expected);
    approve(&clinic, definition("1.1", 1), &id).await.unwrap();
    network.settled().await;
    let other = row("ClinicMSP", &["EndorsementInfo"]);
    // Anybody of the channel may ask.
    for cli in [&hospital, &clinic, &clerk] {
        table.equal(
            "another version",
            readiness(cli, &first).await,
            Ok(vec![other.clone(), row("HospitalMSP", &[])]),
        );
    }
    approve(&clinic, first.clone(), &id).await.unwrap();
    network.settled().await;
    table.equal(
        "both approved",
        readiness(&hospital, &first).await,
        Ok(vec![row("ClinicMSP", &[]), row("HospitalMSP", &[])]),
    );

    // commit, by both hosts, whose answers are the same.
    let unknown: Result<messages::QueryChaincodeDefinitionResult, _> = hospital
        .lifecycle_query(CHANNEL, COMMITTED, &of_name("register"))
        .await;
    let expected = "status: 404 - contract register has no committed definition on this channel";
    table.contains("not committed", &unknown.unwrap_err(), expected);
    both.lifecycle_submit(CHANNEL, COMMIT, &first)
        .await
        .unwrap();
    let again = both.lifecycle_submit(CHANNEL, COMMIT, &first).await;
    let expected =
        "status: 409 - contract register has committed sequence 1, so the next one is 2, not 1";
    table.contains("again", &again.unwrap_err(), expected);

    // querycommitted and queryapproved.
    for cli in [&hospital, &clinic, &clerk] {
        let committed: messages::QueryChaincodeDefinitionResult = cli
            .lifecycle_query(CHANNEL, COMMITTED, &of_name("register"))
            .await
            .unwrap();
        table.equal("sequence", committed.sequence, 1);
        table.equal("version", &*committed.version, "1.0");
        table.equal("plugin", &*committed.endorsement_plugin, "escc");
        table.equal("plugin", &*committed.validation_plugin, "vscc");
        let approvals: BTreeMap<_, _> = committed.approvals.into_iter().collect();
        let expected = ["ClinicMSP", "HospitalMSP"].map(|msp_id| (msp_id.to_owned(), true));
        table.equal("approvals", approvals, expected.into());
        let all: messages::QueryChaincodeDefinitionsResult = cli
            .lifecycle_query(CHANNEL, ALL_COMMITTED, &())
            .await
            .unwrap();
        let all = all.chaincode_definitions.iter();
        let names: Vec<(&str, i64)> = all.map(|d| (&*d.name, d.sequence)).collect();
        table.equal(
            "all",
            names,
            vec![("emr", 1), ("register", 1), ("sharing", 1)],
        );
    }
    for sequence in [0, 1] {
        let asked = messages::QueryApprovedChaincodeDefinitionArgs {
            sequence,
            ..of_first.clone()
        };
        let approved: messages::QueryApprovedChaincodeDefinitionResult = clinic
            .lifecycle_query(CHANNEL, APPROVED, &asked)
            .await
            .unwrap();
        table.equal(
            "approved",
            (approved.sequence, &*approved.version),
            (1, "1.0"),
        );
        table.equal("its package", approved.source, Some(source(&id)));
    }
    let installed: messages::QueryInstalledChaincodesResult =
        clinic.lifecycle_query(HOST, INSTALLED, &()).await.unwrap();
    let uses = &installed.installed_chaincodes[0].references[CHANNEL].chaincodes;
    let uses: Vec<(&str, &str)> = uses.iter().map(|u| (&*u.name, &*u.version)).collect();
    table.equal("its use", uses, vec![("register", "1.0")]);

    // It runs once access policies say who may call it.
    let clerk = PeerCli::new(&network, "hospital/hc1", &[HOSPITAL, CLINIC]);
    let run = ["run"];
    let mut call = invoke(&run);
    (call.contract, call.waits) = ("register", true);
    let refused = clerk.invoke(call).await.unwrap_err();
    table.contains("nobody may", &refused, "status:403");
    permit_everything(&network);
    network.settled().await;
    let (response, _) = clerk.invoke(call).await.unwrap();
    table.equal("invoke", response.status, 200);
    table.holds(
        "query",
        clerk.query(CHANNEL, "register", &run).await.is_ok(),
    );
    network.settled().await;
}

/// A package as large as hosts accept goes through, by either way; what is larger is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_are_installed_up_to_the_largest_component() {
    let network = Network::start().await;
    let hospital = PeerCli::new(&network, "hospital/admin", &[HOSPITAL]);
    let max = Profile::default().component_bytes_max;
    let guess = max - 10_000;
    let filler = guess + max - component("one", guess).len();
    let largest = component("one", filler);
    assert_eq!(largest.len(), max);
    let largest = package("largest", &largest);
    assert!(largest.bytes().len() > max, "nothing was compressed");
    let mut table = Table::new();

    let id = largest.id().to_string();
    table.equal(
        "the largest",
        install(&hospital, &largest).await,
        Ok(id.clone()),
    );
    let get = messages::GetInstalledChaincodePackageArgs {
        package_id: id.clone(),
    };
    let found: messages::GetInstalledChaincodePackageResult =
        hospital.lifecycle_query(HOST, GET, &get).await.unwrap();
    let same = found.chaincode_install_package == *largest.bytes();
    table.holds("the same bytes", same);
    // By the Gateway service, as this project's own command line.
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("largest.tar.gz");
    let own = |package: &Package| {
        fs::write(&path, package.bytes()).unwrap();
        let path = path.to_str().unwrap();
        network.cli(&["contract", "install", path, "--as", "clinic/admin"])
    };
    let installed = own(&largest);
    table.equal("cordon", installed.code, 0);
    table.contains("cordon", &installed.stdout, &id);

    let larger = package("larger", &component("one", filler + 1));
    let expected = format!(
        "hosts do not accept the component of package {}: the component has {} bytes; at most {max} are allowed",
        larger.id(),
        max + 1
    );
    let refused = install(&hospital, &larger).await.unwrap_err();
    let status = "proposal failed with status: 400 - ";
    table.equal("larger", refused, format!("{status}{expected}"));
    let refused = own(&larger);
    table.equal("larger, by cordon", refused.code, 1);
    table.contains("larger, by cordon", &refused.stderr, &expected);
    // What is far too large is not even read.
    let huge = package("huge", &component("one", filler + (1 << 20)));
    let refused = install(&hospital, &huge).await.unwrap_err();
    table.contains("huge", &refused, "code = OutOfRange");

    let two = component("two", 0);
    let mut cut = package("cut", &two).bytes().to_vec();
    cut.truncate(cut.len() - 1);
    for (case, bytes, expected) in [
        (
            "nothing",
            Vec::new(),
            "status: 400 - this is no package of a contract: the package is not a whole gzip file",
        ),
        (
            "cut",
            cut,
            "status: 400 - this is no package of a contract: the package is not a whole gzip file",
        ),
        (
            "no component",
            package("none", b"\0asm nonsense").bytes().to_vec(),
            "not an acceptable component",
        ),
        (
            "a component that is cut",
            package("none", &two[..two.len() - 1]).bytes().to_vec(),
            "not an acceptable component",
        ),
    ] {
        let argument = messages::InstallChaincodeArgs {
            chaincode_install_package: Bytes::from(bytes),
        };
        let refused: Result<messages::InstallChaincodeResult, _> =
            hospital.lifecycle_query(HOST, INSTALL, &argument).await;
        table.contains(case, &refused.unwrap_err(), expected);
    }
    let installed: messages::QueryInstalledChaincodesResult = hospital
        .lifecycle_query(HOST, INSTALLED, &())
        .await
        .unwrap();
    table.equal(
        "the others are not there",
        installed.installed_chaincodes.len(),
        1,
    );
}
