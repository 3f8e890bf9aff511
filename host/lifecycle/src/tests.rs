//! The functions on a town of three organisations, A, B and C, over a state in memory that judges
//! reads as validation does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cordon_policy::{EndorsementPolicy, MetaPolicy};
use cordon_types::{
    ContractId, HistoryEntry, MspId, ReadWriteSet, Snapshot, StateError, Version, VersionedValue,
    status,
};
use cordon_wire::proto::lifecycle as proto;
use cordon_wire::proto::protos::{CollectionConfig, CollectionConfigPackage};
use cordon_wire::{Message, decode, encode};
use proptest::prelude::*;

use crate::testing::{definition, package_id};
use crate::*;

/// The namespace, committed.
#[derive(Debug, Clone, Default)]
struct Committed {
    entries: BTreeMap<String, VersionedValue>,
    height: u64,
}

impl Snapshot for Committed {
    fn height(&self) -> u64 {
        self.height
    }

    fn get(&self, contract: &ContractId, key: &str) -> Result<Option<VersionedValue>, StateError> {
        assert!(contract.is_lifecycle());
        Ok(self.entries.get(key).cloned())
    }

    fn scan(
        &self,
        contract: &ContractId,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, VersionedValue)>, StateError> {
        assert!(contract.is_lifecycle());
        let range = self.entries.range(start.to_owned()..end.to_owned());
        let found = range.take(limit).map(|(k, v)| (k.clone(), v.clone()));
        Ok(found.collect())
    }

    fn history(
        &self,
        _: &ContractId,
        _: &str,
        _: Option<Version>,
        _: usize,
    ) -> Result<Vec<HistoryEntry>, StateError> {
        panic!("nobody asks")
    }

    fn block_hash(&self, _: u64) -> Result<[u8; 32], StateError> {
        panic!("nobody asks")
    }
}

impl Committed {
    /// Commits a transaction if nothing that it read has changed.
    fn commit(&mut self, rw_set: &ReadWriteSet) -> bool {
        let version = Version {
            block: self.height,
            tx: 0,
        };
        let current = |key: &str| self.entries.get(key).map(|found| found.version);
        let sets = &rw_set.contracts;
        assert!(sets.iter().all(|set| set.contract.is_lifecycle()));
        let mut reads = sets.iter().flat_map(|set| &set.reads);
        if reads.any(|read| current(&read.key) != read.version) {
            return false;
        }
        for write in sets.iter().flat_map(|set| &set.writes) {
            Entry::of_write(write).unwrap();
            let value = write.value.clone().unwrap();
            let entry = VersionedValue { version, value };
            self.entries.insert(write.key.clone(), entry);
        }
        self.height += 1;
        true
    }
}

/// Package `n` holds the component whose hash is all `n`; 1 to 9 are installed.
struct Installed;

impl Packages for Installed {
    fn component(&self, package_id: &PackageId) -> Option<[u8; 32]> {
        (1..=9)
            .contains(&package_id.sha256[0])
            .then_some(package_id.sha256)
    }
}

fn msp(name: &str) -> MspId {
    name.parse().unwrap()
}

fn view_with(policy: &str) -> View {
    View {
        members: BTreeSet::from(["A", "B", "C"].map(msp)),
        definitions: BTreeMap::new(),
        lifecycle_policy: MetaPolicy::parse(policy).unwrap(),
    }
}

fn view() -> View {
    view_with("MAJORITY Endorsement")
}

fn request(function: Function, argument: &impl Message, caller: &str) -> Request {
    Request {
        function,
        argument: encode(argument),
        caller: msp(caller),
        caller_is_admin: true,
        host: msp(caller),
    }
}

fn args(sequence: i64, version: &str) -> proto::DefinitionArgs {
    proto::DefinitionArgs {
        sequence,
        name: "emr".to_owned(),
        version: version.to_owned(),
        ..proto::DefinitionArgs::default()
    }
}

fn with_package(mut args: proto::DefinitionArgs, package: u8) -> proto::DefinitionArgs {
    let package_id = package_id(package).to_string();
    let local = proto::chaincode_source::Local { package_id };
    args.source = Some(proto::ChaincodeSource {
        r#type: Some(proto::chaincode_source::Type::LocalPackage(local)),
    });
    args
}

fn ask(state: &Committed, view: &View, request: &Request) -> Outcome {
    let outcome = call(request, view, state, &Installed).unwrap();
    let writes = outcome.response.status == status::OK && request.function.writes();
    assert_eq!(!outcome.rw_set.contracts.is_empty(), writes);
    assert_eq!(
        outcome.response.message.is_empty(),
        outcome.response.status == status::OK
    );
    outcome
}

fn approval(sequence: i64, version: &str, package: u8, by: &str) -> Request {
    let args = with_package(args(sequence, version), package);
    request(Function::ApproveChaincodeDefinitionForMyOrg, &args, by)
}

fn commitment(sequence: i64, version: &str) -> Request {
    request(
        Function::CommitChaincodeDefinition,
        &args(sequence, version),
        "A",
    )
}

/// Runs and commits.
fn done(state: &mut Committed, view: &View, request: &Request) {
    let outcome = ask(state, view, request);
    assert_eq!(
        outcome.response.status,
        status::OK,
        "{}",
        outcome.response.message
    );
    assert!(outcome.response.payload.is_empty());
    assert!(state.commit(&outcome.rw_set));
}

fn refused(state: &Committed, view: &View, request: &Request) -> (i32, String) {
    let outcome = ask(state, view, request);
    assert_ne!(outcome.response.status, status::OK);
    (outcome.response.status, outcome.response.message)
}

fn readiness(state: &Committed, view: &View, args: &proto::DefinitionArgs) -> String {
    let outcome = ask(
        state,
        view,
        &request(Function::CheckCommitReadiness, args, "B"),
    );
    assert_eq!(
        outcome.response.status,
        status::OK,
        "{}",
        outcome.response.message
    );
    let result: proto::CheckCommitReadinessResult =
        decode(&outcome.response.payload, "result").unwrap();
    let word = |(msp_id, approved): (&String, &bool)| {
        let items = result.mismatches.get(msp_id).map(|m| m.items.join("+"));
        assert_eq!(items.is_none(), *approved);
        format!("{msp_id}={}", items.unwrap_or_else(|| "yes".to_owned()))
    };
    result
        .approvals
        .iter()
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}

fn committed(state: &Committed, view: &View) -> Option<proto::QueryChaincodeDefinitionResult> {
    let name = "emr".to_owned();
    let args = proto::QueryChaincodeDefinitionArgs { name };
    let outcome = ask(
        state,
        view,
        &request(Function::QueryChaincodeDefinition, &args, "C"),
    );
    if outcome.response.status == status::NOT_FOUND {
        return None;
    }
    Some(decode(&outcome.response.payload, "result").unwrap())
}

#[test]
fn a_contract_is_approved_committed_and_upgraded() {
    let (mut state, view) = (Committed::default(), view());
    assert_eq!(committed(&state, &view), None);
    done(&mut state, &view, &approval(1, "1.0", 1, "A"));
    let unready = "A=yes B=ChaincodeParameters C=ChaincodeParameters";
    assert_eq!(readiness(&state, &view, &args(1, "1.0")), unready);
    done(&mut state, &view, &approval(1, "1.0", 1, "C"));
    assert_eq!(
        readiness(&state, &view, &args(1, "1.0")),
        "A=yes B=ChaincodeParameters C=yes"
    );
    done(&mut state, &view, &commitment(1, "1.0"));

    let result = committed(&state, &view).unwrap();
    assert_eq!((result.sequence, result.version.as_str()), (1, "1.0"));
    assert_eq!(result.endorsement_plugin, "escc");
    assert_eq!(result.validation_plugin, "vscc");
    assert_eq!(
        hex::encode(&result.validation_parameter),
        "12202f4368616e6e656c2f4170706c69636174696f6e2f456e646f7273656d656e74"
    );
    let approvals = |result: &proto::QueryChaincodeDefinitionResult| {
        result
            .approvals
            .iter()
            .map(|(m, a)| format!("{m}{}", u8::from(*a)))
            .collect::<Vec<_>>()
            .concat()
    };
    assert_eq!(approvals(&result), "A1B0C1");
    // Who comes late approves what is committed.
    done(&mut state, &view, &approval(1, "1.0", 1, "B"));
    assert_eq!(approvals(&committed(&state, &view).unwrap()), "A1B1C1");

    done(&mut state, &view, &approval(2, "2.0", 2, "A"));
    done(&mut state, &view, &approval(2, "2.0", 2, "B"));
    done(&mut state, &view, &commitment(2, "2.0"));
    let Entry::Definition { definition, .. } =
        Entry::read("definitions/emr", &state.entries["definitions/emr"].value).unwrap()
    else {
        panic!("a definition")
    };
    assert_eq!(definition.component_sha256, [2; 32]);
    assert_eq!(definition.sequence, 2);
}

#[test]
fn an_approval_names_an_installed_package_and_is_the_hosts_admins() {
    let (state, view) = (Committed::default(), view());
    let (status, text) = refused(&state, &view, &approval(1, "1.0", 77, "A"));
    assert_eq!(status, status::NOT_FOUND);
    assert!(
        text.ends_with("is not installed on this host: install it first"),
        "{text}"
    );
    let without = args(1, "1.0");
    let mut unavailable = without.clone();
    unavailable.source = Some(proto::ChaincodeSource {
        r#type: Some(proto::chaincode_source::Type::Unavailable(
            proto::chaincode_source::Unavailable {},
        )),
    });
    for args in [without, unavailable] {
        let request = request(Function::ApproveChaincodeDefinitionForMyOrg, &args, "A");
        let (status, text) = refused(&state, &view, &request);
        assert_eq!(status, status::INVALID);
        assert!(text.contains("members agree on code"), "{text}");
    }
    let mut client = approval(1, "1.0", 1, "A");
    client.caller_is_admin = false;
    let mut stranger = approval(1, "1.0", 1, "A");
    stranger.caller = msp("B");
    for request in [client, stranger] {
        let (status, text) = refused(&state, &view, &request);
        assert_eq!(status, status::FORBIDDEN);
        assert!(text.ends_with("is for admins of A only"), "{text}");
    }
    let (status, text) = refused(&state, &view, &approval(1, "1.0", 1, "X"));
    assert_eq!(
        (status, text.as_str()),
        (403, "X is no member of the channel")
    );
}

type Bend = Box<dyn Fn(&mut proto::DefinitionArgs)>;

#[test]
fn what_hosts_here_do_not_do_is_refused_with_a_sentence() {
    let (state, view) = (Committed::default(), view());
    let policy = |text: &str| {
        let rule = EndorsementRule::Policy(EndorsementPolicy::parse(text).unwrap());
        encode(&rule.to_proto())
    };
    let cases: Vec<(&str, Bend)> = vec![
        ("contract id", Box::new(|a| a.name = "a--b".to_owned())),
        (
            "contract id",
            Box::new(|a| a.name = "_lifecycle".to_owned()),
        ),
        (
            "answer themselves",
            Box::new(|a| a.name = "qscc".to_owned()),
        ),
        ("has sequence 1", Box::new(|a| a.sequence = 0)),
        ("has sequence 1", Box::new(|a| a.sequence = i64::MIN)),
        ("version", Box::new(|a| a.version = "1 0".to_owned())),
        (
            "escc",
            Box::new(|a| a.endorsement_plugin = "mine".to_owned()),
        ),
        (
            "vscc",
            Box::new(|a| a.validation_plugin = "mine".to_owned()),
        ),
        ("exports `upgrade`", Box::new(|a| a.init_required = true)),
        (
            "not supported yet",
            Box::new(|a| {
                a.collections = Some(CollectionConfigPackage {
                    config: vec![CollectionConfig::default()],
                });
            }),
        ),
        (
            "decoded",
            Box::new(|a| a.validation_parameter = Bytes::from_static(b"x")),
        ),
        (
            CHANNEL_DEFAULT,
            Box::new(|a| a.validation_parameter = Bytes::from_static(b"\x12\x01x")),
        ),
        (
            "neither",
            Box::new(|a| a.validation_parameter = Bytes::from_static(b"\x18\x01")),
        ),
        (
            "X is no member",
            Box::new(move |a| a.validation_parameter = policy("OR('A.peer','X.peer')")),
        ),
        (
            "never be satisfied",
            Box::new(move |a| a.validation_parameter = policy("OutOf(2,'A.peer')")),
        ),
    ];
    for (says, change) in cases {
        let mut args = with_package(args(1, "1.0"), 1);
        change(&mut args);
        for function in [
            Function::ApproveChaincodeDefinitionForMyOrg,
            Function::CheckCommitReadiness,
            Function::CommitChaincodeDefinition,
        ] {
            let (status, text) = refused(&state, &view, &request(function, &args, "A"));
            assert_eq!(status, status::INVALID);
            assert!(text.contains(says), "{says}: {text}");
        }
    }
}

#[test]
fn defaults_are_filled_in_before_definitions_are_compared() {
    let (mut state, view) = (Committed::default(), view());
    done(&mut state, &view, &approval(1, "1.0", 1, "A"));
    let mut spelled = args(1, "1.0");
    spelled.endorsement_plugin = "escc".to_owned();
    spelled.validation_plugin = "vscc".to_owned();
    spelled.validation_parameter = encode(&EndorsementRule::ChannelDefault.to_proto());
    spelled.collections = Some(CollectionConfigPackage::default());
    let as_b = request(
        Function::ApproveChaincodeDefinitionForMyOrg,
        &with_package(spelled.clone(), 1),
        "B",
    );
    done(&mut state, &view, &as_b);
    let expected = "A=yes B=yes C=ChaincodeParameters";
    assert_eq!(readiness(&state, &view, &spelled), expected);
    assert_eq!(readiness(&state, &view, &args(1, "1.0")), expected);
}

#[test]
fn sequences_go_up_by_one_and_committed_ones_stay() {
    let (mut state, view) = (Committed::default(), view());
    let (status, text) = refused(&state, &view, &approval(2, "1.0", 1, "A"));
    assert_eq!(status, status::CONFLICT);
    assert!(text.contains("its first sequence is 1, not 2"), "{text}");
    for by in ["A", "B"] {
        done(&mut state, &view, &approval(1, "1.0", 1, by));
    }
    done(&mut state, &view, &commitment(1, "1.0"));
    for sequence in [3, i64::MAX] {
        let (_, text) = refused(&state, &view, &approval(sequence, "2.0", 2, "A"));
        assert!(
            text.contains("has committed sequence 1, so the next one is 2"),
            "{text}"
        );
    }
    for request in [commitment(1, "1.0"), commitment(3, "3.0")] {
        let (status, text) = refused(&state, &view, &request);
        assert_eq!(status, status::CONFLICT);
        assert!(text.contains("the next one is 2"), "{text}");
    }
    for (version, package, says) in [
        ("1.1", 1, "another version"),
        ("1.0", 2, "another component"),
    ] {
        let (status, text) = refused(&state, &view, &approval(1, version, package, "C"));
        assert_eq!(status, status::CONFLICT);
        assert!(
            text.contains(says) && text.contains("with sequence 2"),
            "{text}"
        );
    }
    done(&mut state, &view, &approval(1, "1.0", 1, "C"));
}

#[test]
fn another_component_needs_another_version() {
    let (mut state, view) = (Committed::default(), view());
    for by in ["A", "B"] {
        done(&mut state, &view, &approval(1, "1.0", 1, by));
    }
    done(&mut state, &view, &commitment(1, "1.0"));
    let (status, text) = refused(&state, &view, &approval(2, "1.0", 2, "A"));
    assert_eq!(status, status::CONFLICT);
    assert!(
        text.contains("give the new component a version of its own"),
        "{text}"
    );
    // The same component may change its endorsement policy, or its version.
    done(&mut state, &view, &approval(2, "1.0", 1, "A"));
    done(&mut state, &view, &approval(2, "1.1", 1, "A"));
    // What got there otherwise is not committed either.
    let forged = Approval {
        definition: Definition {
            version: "1.0".to_owned(),
            component_sha256: [2; 32],
            ..definition(2)
        },
        package_id: package_id(2),
    };
    for by in ["A", "B"] {
        let key = format!("approvals/emr/{:019}/{by}", 2);
        state.entries.get_mut("definitions/emr").unwrap();
        let version = Version { block: 9, tx: 0 };
        let value = forged.encode();
        state.entries.insert(key, VersionedValue { version, value });
    }
    let (status, text) = refused(&state, &view, &commitment(2, "1.0"));
    assert_eq!(status, status::CONFLICT);
    assert!(
        text.contains("give the new component a version of its own"),
        "{text}"
    );
}

#[test]
fn a_refused_commit_says_who_lacks_and_what_differs() {
    let (mut state, view) = (Committed::default(), view_with("ALL Endorsement"));
    let (status, text) = refused(&state, &view, &commitment(1, "1.0"));
    assert_eq!(status, status::CONFLICT);
    assert!(text.contains("asks for 3 of 3"), "{text}");
    assert!(
        text.contains("A has not approved this sequence; B has not"),
        "{text}"
    );
    done(&mut state, &view, &approval(1, "1.0", 1, "A"));
    done(&mut state, &view, &approval(1, "1.0", 2, "B"));
    done(&mut state, &view, &approval(1, "0.9", 1, "C"));
    assert_eq!(
        readiness(&state, &view, &args(1, "1.0")),
        "A=yes B=Package C=EndorsementInfo"
    );
    let (_, text) = refused(&state, &view, &commitment(1, "1.0"));
    assert_eq!(
        text,
        "sequence 1 of contract emr is not approved by enough organisations (ALL Endorsement asks \
         for 3 of 3): A approved it (component 0101010101010101…); B approved it with another \
         component (0202020202020202…); C approved it with another version (0.9); the admins of \
         those that lack call ApproveChaincodeDefinitionForMyOrg with the same definition, then \
         commit again"
    );
    let mut own = args(1, "1.0");
    let policy = EndorsementRule::Policy(EndorsementPolicy::parse("OR('A.peer')").unwrap());
    own.validation_parameter = encode(&policy.to_proto());
    let both = "A=ValidationInfo B=ValidationInfo C=EndorsementInfo+ValidationInfo";
    assert_eq!(readiness(&state, &view, &own), both);
}

#[test]
fn only_approvals_of_one_component_count_together() {
    let (mut state, view) = (Committed::default(), view());
    done(&mut state, &view, &approval(1, "1.0", 1, "A"));
    done(&mut state, &view, &approval(1, "1.0", 2, "B"));
    assert_eq!(
        refused(&state, &view, &commitment(1, "1.0")).0,
        status::CONFLICT
    );
    done(&mut state, &view, &approval(1, "1.0", 2, "C"));
    assert_eq!(
        readiness(&state, &view, &args(1, "1.0")),
        "A=Package B=yes C=yes"
    );
    done(&mut state, &view, &commitment(1, "1.0"));
    let Key::Definition(_) = "definitions/emr".parse().unwrap() else {
        panic!("a definition")
    };
    let value = &state.entries["definitions/emr"].value;
    assert_eq!(Definition::decode(value).unwrap().component_sha256, [2; 32]);
}

#[test]
fn two_components_with_enough_approvals_each_are_a_tie() {
    let mut state = Committed::default();
    let any = view_with("ANY Endorsement");
    done(&mut state, &any, &approval(1, "1.0", 1, "A"));
    done(&mut state, &any, &approval(1, "1.0", 2, "B"));
    let (status, text) = refused(&state, &any, &commitment(1, "1.0"));
    assert_eq!(status, status::CONFLICT);
    assert!(text.contains("agree on one"), "{text}");
    // One more decides; and who counts is the policy's matter, not the number's.
    let named = view_with("OR('A.admin')");
    done(&mut state, &any, &approval(1, "1.0", 2, "C"));
    assert_eq!(
        readiness(&state, &any, &args(1, "1.0")),
        "A=Package B=yes C=yes"
    );
    assert_eq!(
        readiness(&state, &named, &args(1, "1.0")),
        "A=yes B=Package C=Package"
    );
    done(&mut state, &named, &commitment(1, "1.0"));
    let value = &state.entries["definitions/emr"].value;
    assert_eq!(Definition::decode(value).unwrap().component_sha256, [1; 32]);
}

/// Two calls on one state: whether the second can still be committed after the first.
fn both(state: &Committed, view: &View, first: &Request, second: &Request) -> bool {
    let outcomes = [first, second].map(|request| {
        let outcome = ask(state, view, request);
        assert_eq!(
            outcome.response.status,
            status::OK,
            "{}",
            outcome.response.message
        );
        outcome
    });
    let mut state = state.clone();
    assert!(state.commit(&outcomes[0].rw_set));
    state.commit(&outcomes[1].rw_set)
}

#[test]
fn what_contradicts_conflicts_and_the_rest_does_not() {
    let (mut state, view) = (Committed::default(), view());
    let first = |by| approval(1, "1.0", 1, by);
    assert!(both(&state, &view, &first("A"), &first("B")));
    assert!(!both(
        &state,
        &view,
        &first("A"),
        &approval(1, "1.0", 2, "A")
    ));
    done(&mut state, &view, &first("A"));
    done(&mut state, &view, &first("B"));
    let commit = commitment(1, "1.0");
    assert!(!both(&state, &view, &commit, &commit));
    // An approval that the commit counts on changes.
    assert!(!both(&state, &view, &approval(1, "1.0", 2, "A"), &commit));
    // One that comes too late for it does not matter to it; it must match what is committed, so it
    // is asked for again.
    assert!(both(&state, &view, &first("C"), &commit));
    assert!(!both(&state, &view, &commit, &first("C")));
}

#[test]
fn definitions_of_the_configuration_are_followed() {
    let mut view = view();
    let mut state = Committed::default();
    view.definitions
        .insert("emr".parse().unwrap(), definition(1));
    assert_eq!(committed(&state, &view).unwrap().version, "1.0");
    assert!(
        refused(&state, &view, &approval(1, "1.0", 2, "A"))
            .1
            .contains("another component")
    );
    for by in ["A", "B"] {
        done(&mut state, &view, &approval(2, "2.0", 2, by));
    }
    done(&mut state, &view, &commitment(2, "2.0"));
    let ledgers = committed_definitions(&state).unwrap();
    assert_eq!(ledgers.len(), 1);
    assert_eq!(ledgers[&"emr".parse().unwrap()].version, "2.0");
    // The view may lag behind the snapshot.
    assert_eq!(committed(&state, &view).unwrap().sequence, 2);
    assert!(
        refused(&state, &view, &commitment(2, "2.0"))
            .1
            .contains("the next one is 3")
    );
    view.definitions
        .insert("other".parse().unwrap(), definition(5));
    let all = ask(
        &state,
        &view,
        &request(Function::QueryChaincodeDefinitions, &args(0, ""), "A"),
    );
    let all: proto::QueryChaincodeDefinitionsResult =
        decode(&all.response.payload, "result").unwrap();
    let all: Vec<_> = all
        .chaincode_definitions
        .iter()
        .map(|d| (d.name.as_str(), d.sequence))
        .collect();
    assert_eq!(all, [("emr", 2), ("other", 5)]);
}

#[test]
fn an_organisation_sees_its_own_approvals() {
    let (mut state, view) = (Committed::default(), view());
    let ask_for = |state: &Committed, sequence, by| {
        let name = "emr".to_owned();
        let args = proto::QueryApprovedChaincodeDefinitionArgs { name, sequence };
        let request = request(Function::QueryApprovedChaincodeDefinition, &args, by);
        ask(state, &view, &request).response
    };
    let missing = ask_for(&state, 0, "A");
    assert_eq!(missing.status, status::NOT_FOUND);
    assert_eq!(
        missing.message,
        "A has approved nothing for contract emr; none is committed"
    );
    for by in ["A", "B"] {
        done(&mut state, &view, &approval(1, "1.0", 1, by));
    }
    done(&mut state, &view, &commitment(1, "1.0"));
    done(&mut state, &view, &approval(2, "2.0", 2, "A"));
    for (sequence, expected) in [
        (0, Some((2, 2))),
        (1, Some((1, 1))),
        (2, Some((2, 2))),
        (3, None),
    ] {
        let response = ask_for(&state, sequence, "A");
        if expected.is_none() {
            assert_eq!(response.status, status::NOT_FOUND);
            assert!(response.message.ends_with("sequence 1 is committed"));
            continue;
        }
        let found: proto::QueryApprovedChaincodeDefinitionResult =
            decode(&response.payload, "result").unwrap();
        let Some(proto::chaincode_source::Type::LocalPackage(local)) = found.source.unwrap().r#type
        else {
            panic!("a package")
        };
        let package: PackageId = local.package_id.parse().unwrap();
        assert_eq!(Some((found.sequence, package.sha256[0])), expected);
    }
    assert_eq!(ask_for(&state, -1, "A").status, status::INVALID);
    let all = |by| {
        let request = request(
            Function::QueryApprovedChaincodeDefinitions,
            &args(0, ""),
            by,
        );
        let payload = ask(&state, &view, &request).response.payload;
        let all: proto::QueryApprovedChaincodeDefinitionsResult =
            decode(&payload, "result").unwrap();
        all.approved_chaincode_definitions
            .iter()
            .map(|d| d.sequence)
            .collect::<Vec<_>>()
    };
    assert_eq!(all("A"), [1, 2]);
    assert_eq!(all("B"), [1]);
    assert_eq!(all("C"), [0; 0]);
    let mut client = request(
        Function::QueryApprovedChaincodeDefinitions,
        &args(0, ""),
        "A",
    );
    client.caller_is_admin = false;
    assert_eq!(refused(&state, &view, &client).0, status::FORBIDDEN);
}

#[test]
fn many_approvals_are_listed_in_pages() {
    let (mut state, view) = (Committed::default(), view());
    let last = 2 * i64::try_from(crate::limits::PAGE).unwrap();
    for sequence in 1..=last {
        let approval = Approval {
            definition: definition(sequence),
            package_id: package_id(1),
        };
        let version = Version { block: 0, tx: 0 };
        let value = approval.encode();
        let key = format!("approvals/emr/{sequence:019}/A");
        state.entries.insert(key, VersionedValue { version, value });
    }
    let request = request(
        Function::QueryApprovedChaincodeDefinitions,
        &args(0, ""),
        "A",
    );
    let payload = ask(&state, &view, &request).response.payload;
    let all: proto::QueryApprovedChaincodeDefinitionsResult = decode(&payload, "result").unwrap();
    let all: Vec<i64> = all
        .approved_chaincode_definitions
        .iter()
        .map(|d| d.sequence)
        .collect();
    assert_eq!(all, (1..=last).collect::<Vec<_>>());
}

#[test]
fn a_damaged_entry_is_the_hosts_fault_and_no_answer() {
    let (mut state, view) = (Committed::default(), view());
    let version = Version { block: 0, tx: 0 };
    let value = Bytes::from_static(b"x");
    let entry = VersionedValue { version, value };
    state.entries.insert("definitions/emr".to_owned(), entry);
    let asked = call(&commitment(1, "1.0"), &view, &state, &Installed);
    assert!(asked.is_err());
    assert!(committed_definitions(&state).is_err());
}

#[test]
fn calls_are_told_apart() {
    let new = |args: &[&str]| {
        let args: Vec<Bytes> = args
            .iter()
            .map(|a| Bytes::copy_from_slice(a.as_bytes()))
            .collect();
        Request::new(&args, msp("A"), true, msp("A"))
    };
    assert!(
        new(&["QueryChaincodeDefinitions"])
            .unwrap()
            .argument
            .is_empty()
    );
    assert_eq!(new(&["InstallChaincode", "x"]).unwrap().argument, "x");
    assert_eq!(
        new(&["InstallChaincode", "x", "y"]).unwrap_err().status,
        status::INVALID
    );
    assert_eq!(new(&[]).unwrap_err().status, status::INVALID);
    let unknown = new(&["Install"]).unwrap_err();
    assert_eq!(unknown.status, status::NOT_FOUND);
    assert!(unknown.message.contains("InstallChaincode, "));
    for function in Function::ALL {
        let called = new(&[function.as_str()]).unwrap();
        assert_eq!(called.function, function);
        let (state, view) = (Committed::default(), view());
        let on_channel = call(&called, &view, &state, &Installed).unwrap().response;
        let on_host = call_host(&called, &Store::default(), &|_| Uses::new()).unwrap();
        let elsewhere = if function.needs_channel() {
            on_host
        } else {
            on_channel
        };
        assert_eq!(elsewhere.status, status::INVALID);
        assert!(
            elsewhere.message.contains("channel"),
            "{}",
            elsewhere.message
        );
    }
    let broken = Request {
        argument: Bytes::from_static(b"\xff"),
        ..commitment(1, "1.0")
    };
    assert_eq!(
        refused(&Committed::default(), &view(), &broken).0,
        status::INVALID
    );
}

/// Packages in memory; `full` refuses to keep any.
#[derive(Default)]
struct Store {
    packages: RefCell<BTreeMap<PackageId, Package>>,
    full: bool,
}

impl Packages for Store {
    fn component(&self, package_id: &PackageId) -> Option<[u8; 32]> {
        let packages = self.packages.borrow();
        packages.get(package_id).map(|p| *p.component_sha256())
    }
}

impl PackageStore for Store {
    fn install(&self, package: &Package) -> Result<(), StoreError> {
        if self.full {
            return Err(StoreError::Broken("no space".to_owned()));
        }
        if package.component().is_empty() {
            return Err(StoreError::Refused("it is empty".to_owned()));
        }
        let id = package.id().clone();
        self.packages.borrow_mut().insert(id, package.clone());
        Ok(())
    }

    fn list(&self) -> Vec<PackageId> {
        self.packages.borrow().keys().cloned().collect()
    }

    fn get(&self, package_id: &PackageId) -> Result<Option<Bytes>, StoreError> {
        let packages = self.packages.borrow();
        Ok(packages.get(package_id).map(|p| p.bytes().clone()))
    }
}

#[test]
fn packages_are_installed_listed_and_given_back() {
    let store = Store::default();
    let uses = |component: &[u8; 32]| {
        assert_eq!(*component, cordon_wire::sha256([&b"code"[..]]));
        let runs = ("emr".parse().unwrap(), "1.0".to_owned());
        Uses::from([("providers".parse().unwrap(), vec![runs])])
    };
    let ask = |function, argument: Bytes| {
        let request = Request {
            function,
            argument,
            caller: msp("A"),
            caller_is_admin: true,
            host: msp("A"),
        };
        call_host(&request, &store, &uses).unwrap()
    };
    let install = |bytes: Bytes| {
        let argument = proto::InstallChaincodeArgs {
            chaincode_install_package: bytes,
        };
        ask(Function::InstallChaincode, encode(&argument))
    };
    let package = Package::write(&"emr_1".parse().unwrap(), "", b"code").unwrap();
    let id = package.id().to_string();
    let query = |function, id: &str| {
        let package_id = id.to_owned();
        ask(
            function,
            encode(&proto::QueryInstalledChaincodeArgs { package_id }),
        )
    };
    let missing = query(Function::QueryInstalledChaincode, &id);
    assert_eq!(missing.status, status::NOT_FOUND);
    let missing = query(Function::GetInstalledChaincodePackage, &id);
    assert_eq!(missing.status, status::NOT_FOUND);
    for _ in 0..2 {
        let installed = install(package.bytes().clone());
        let installed: proto::InstallChaincodeResult =
            decode(&installed.payload, "result").unwrap();
        assert_eq!(
            (&installed.package_id, installed.label.as_str()),
            (&id, "emr_1")
        );
    }
    let one = query(Function::QueryInstalledChaincode, &id);
    let one: proto::QueryInstalledChaincodeResult = decode(&one.payload, "result").unwrap();
    assert_eq!(one.references["providers"].chaincodes[0].name, "emr");
    let all = ask(Function::QueryInstalledChaincodes, Bytes::new());
    let all: proto::QueryInstalledChaincodesResult = decode(&all.payload, "result").unwrap();
    assert_eq!(all.installed_chaincodes, [one]);
    let bytes = query(Function::GetInstalledChaincodePackage, &id);
    let bytes: proto::GetInstalledChaincodePackageResult =
        decode(&bytes.payload, "result").unwrap();
    assert_eq!(bytes.chaincode_install_package, *package.bytes());

    let refused = query(Function::QueryInstalledChaincode, "emr");
    assert_eq!(refused.status, status::INVALID);
    let refused = install(Bytes::from_static(b"no package"));
    assert_eq!(refused.status, status::INVALID);
    assert!(
        refused.message.contains("not a whole gzip file"),
        "{}",
        refused.message
    );
    let empty = Package::write(&"emr_1".parse().unwrap(), "", b"").unwrap();
    let refused = install(empty.bytes().clone());
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (400, "it is empty")
    );
}

#[test]
fn packages_are_for_the_hosts_admins_and_a_broken_store_gives_no_answer() {
    let store = Store {
        full: true,
        ..Store::default()
    };
    let package = Package::write(&"emr_1".parse().unwrap(), "", b"code").unwrap();
    let argument = proto::InstallChaincodeArgs {
        chaincode_install_package: package.bytes().clone(),
    };
    let mut request = request(Function::InstallChaincode, &argument, "A");
    let asked = call_host(&request, &store, &|_| Uses::new());
    assert_eq!(asked, Err(StoreError::Broken("no space".to_owned())));
    request.caller_is_admin = false;
    for function in Function::ALL.into_iter().filter(|f| !f.needs_channel()) {
        request.function = function;
        let refused = call_host(&request, &store, &|_| Uses::new()).unwrap();
        assert_eq!(refused.status, status::FORBIDDEN, "{function:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is approved in whatever order: sequences have no gaps, every committed definition
    /// was approved by more than half with one component, and a component's version is its own.
    #[test]
    fn what_is_committed_was_agreed_on(
        steps in proptest::collection::vec((0..4u8, 1..4i64, 1..4u8, 1..3u8), 1..40),
    ) {
        let (mut state, view) = (Committed::default(), view());
        let mut last: Option<Definition> = None;
        for (who, sequence, version, package) in steps {
            let version = format!("{version}.0");
            let request = match ["A", "B", "C"].get(usize::from(who)) {
                Some(by) => approval(sequence, &version, package, by),
                None => commitment(sequence, &version),
            };
            let outcome = ask(&state, &view, &request);
            prop_assert!(state.commit(&outcome.rw_set));
            let now = state.entries.get("definitions/emr");
            let now = now.map(|found| Definition::decode(&found.value).unwrap());
            if now == last {
                continue;
            }
            let now = now.unwrap();
            prop_assert_eq!(now.sequence, last.as_ref().map_or(1, |last| last.sequence + 1));
            let by = ["A", "B", "C"].into_iter().filter(|by| {
                let key = format!("approvals/emr/{:019}/{by}", now.sequence);
                let found = state.entries.get(&key);
                found.is_some_and(|f| Approval::decode(&f.value).unwrap().definition == now)
            });
            prop_assert!(by.count() >= 2);
            if let Some(last) = &last {
                prop_assert!(
                    last.component_sha256 == now.component_sha256 || last.version != now.version
                );
            }
            last = Some(now);
        }
    }

    #[test]
    fn hostile_arguments_never_panic(
        argument in proptest::collection::vec(any::<u8>(), 0..60),
        function in proptest::sample::select(&Function::ALL[..]),
    ) {
        let request = Request {
            function,
            argument: Bytes::from(argument),
            caller: msp("A"),
            caller_is_admin: true,
            host: msp("A"),
        };
        let _ = call(&request, &view(), &Committed::default(), &Installed);
        let _ = call_host(&request, &Store::default(), &|_| Uses::new());
    }
}
