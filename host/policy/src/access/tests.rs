//! Files with each mistake and the exact words about it; decisions against a naive model.

use std::collections::BTreeMap;

use cordon_types::{Caller, ChannelId, ContractId};
use proptest::prelude::*;

use crate::limits::{
    ACCESS_LINKS_MAX, ACCESS_NESTING_MAX, ACCESS_POLICIES_MAX, ACCESS_TEXT_BYTES_MAX,
};
use crate::{AccessPolicies, AccessPolicyError, AccessPolicyFile, Denial};

const EMR: &str = include_str!("../../../../policies/providers/emr.cedar");

pub(super) const FUNCTIONS: [&str; 9] = [
    "HealthCenter:CreateEmr",
    "HealthCenter:CheckIsPatientRegistered",
    "Physician:ReadEmr",
    "Physician:GetEmrByPatientId",
    "Physician:AddEmrNote",
    "Patient:GetOwnEmr",
    "Patient:GetEmrByPatientId",
    "Patient:GetMedicalVisitsCount",
    "Records:ReadForSharing",
];

fn channel() -> ChannelId {
    "providers".parse().unwrap()
}

pub(super) fn emr() -> ContractId {
    "emr".parse().unwrap()
}

fn file(contract: &str, text: &str) -> AccessPolicyFile {
    AccessPolicyFile {
        contract: contract.to_owned(),
        text: text.to_owned(),
    }
}

fn functions() -> BTreeMap<ContractId, Vec<String>> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    BTreeMap::from([
        (emr(), names(&FUNCTIONS)),
        (
            "consent".parse().unwrap(),
            names(&["Consent:Give", "Version"]),
        ),
        (
            "twin".parse().unwrap(),
            names(&["Same", "Same:Inner", "Other"]),
        ),
    ])
}

fn load(files: &[AccessPolicyFile]) -> Result<AccessPolicies, AccessPolicyError> {
    AccessPolicies::new(&channel(), files, &functions())
}

pub(super) fn only(text: &str) -> AccessPolicies {
    load(&[file("emr", text)]).unwrap()
}

pub(super) fn caller(attributes: &[(&str, &str)]) -> Caller {
    Caller {
        msp_id: "HospitalMSP".parse().unwrap(),
        subject: "CN=secret-subject".to_owned(),
        unique_id: "secret-unique".to_owned(),
        enrollment_id: "secret-enrollment".to_owned(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn says(result: Result<(), Denial>) -> String {
    result.map_or_else(|denial| denial.to_string(), |()| "permitted".to_owned())
}

#[test]
fn the_networks_file_permits_each_role_its_interface() {
    let policies = only(EMR);
    for role in ["healthcenter", "physician", "patient", "Physician", ""] {
        for function in FUNCTIONS {
            let interface = function.split(':').next().unwrap();
            let may = interface.to_lowercase() == role;
            let got = policies.authorize(&caller(&[("userRole", role)]), &emr(), function);
            let expected = if may {
                "permitted".to_owned()
            } else {
                format!(
                    "no access policy of contract emr permits {function} to a caller of HospitalMSP"
                )
            };
            assert_eq!(says(got), expected, "{role}");
        }
    }
    for function in FUNCTIONS {
        assert!(policies.authorize(&caller(&[]), &emr(), function).is_err());
    }
}

fn complaint(files: &[AccessPolicyFile]) -> String {
    load(files).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let all = "permit (principal, action, resource)";
    for (text, expected) in [
        ("TODO", "1:5: unexpected end of input"),
        (
            "permit (principal, action, resource)",
            "1:37: unexpected end of input",
        ),
        ("\n ALL when { é };", "2:46: invalid token"),
        (
            "@id(\"é\") ALL when { a };",
            "1:54: invalid variable: a; the valid Cedar variables are `principal`, `action`, \
             `resource`, and `context`; did you mean to enclose `a` in quotes to make a string?",
        ),
        (
            "ALL when { principal.hasTags(\"a\") };",
            "1:45: `hasTags` is not a valid method",
        ),
        (
            "// c\npermit (principal, action == Action::\"HealthCentre:CreateEmr\", resource);",
            "2:30: contract emr has no function or interface \"HealthCentre:CreateEmr\"; did you \
             mean \"HealthCenter:CreateEmr\"?",
        ),
        (
            "permit (principal, action == Action::\"ReadEmr\", resource);",
            "1:30: contract emr has no function or interface \"ReadEmr\"; did you mean \
             \"Physician:ReadEmr\"?",
        ),
        (
            "permit (principal, action in Action::\"Physicain\", resource);",
            "1:30: contract emr has no function or interface \"Physicain\"; did you mean \
             \"Physician\"?",
        ),
        (
            "permit (principal, action in [Action::\"Patient\", Action::\"Zzz\"], resource);",
            "1:50: contract emr has no function or interface \"Zzz\"",
        ),
        (
            "ALL\r\nwhen { action == Action::\"Physician:ReadEMR\" };",
            "2:18: contract emr has no function or interface \"Physician:ReadEMR\"; did you mean \
             \"Physician:ReadEmr\"?",
        ),
        (
            "ALL when {\n principal.hasTag(\"age\") && principal.getTag(\"age\") > 5 };",
            "2:29: unexpected type: expected Long but saw String",
        ),
        (
            "ALL when { principal.organization == 3 };",
            "1:45: the types Long and String are not compatible; both operands to a `==` \
             expression must have compatible types. Types must be exactly equal to be compatible",
        ),
        (
            "ALL when { principal.organisation == \"A\" };",
            "1:45: attribute `organisation` on entity type `Caller` not found; did you mean \
             `organization`?",
        ),
        (
            "ALL when { principal.getTag(\"userRole\") == \"x\" };",
            "1:45: unable to guarantee safety of access to tag `\"userRole\"` on entity type \
             `Caller`; try testing for the tag's presence with `.hasTag(\"userRole\") && ..`",
        ),
        (
            "ALL when { context.time == 3 };",
            "1:45: attribute `time` in context for \
             Action::\"HealthCenter:CheckIsPatientRegistered\" not found",
        ),
        ("\nALL when { false };", IMPOSSIBLE),
        ("\nALL when { principal == resource };", IMPOSSIBLE),
        (
            "\npermit (principal, action == Action::\"Physician\", resource);",
            IMPOSSIBLE,
        ),
        (
            "permit (principal, action in [], resource);",
            "1: empty set literals are forbidden in policies",
        ),
        (
            "permit (principal == ?principal, action, resource);",
            "1: templates (?principal, ?resource) are not used here; write a policy without slots",
        ),
        (
            "permit (principal == Caller::\"x\", action, resource);",
            "1: a caller has no id to name; say principal.organization, principal.enrollmentId or \
             principal.getTag(\"…\")",
        ),
        (
            "permit (principal is Person, action, resource);",
            "1:22: unrecognized entity type `Person`; the types are Action, Caller and Contract",
        ),
        (
            "forbid (principal, action, resource == Contract::\"consent\");",
            "1: the file applies to Contract::\"emr\" only; this policy names another one",
        ),
        (
            "ALL when { principal.organization == \"hоspital\" };",
            "1: string `\"hоspital\"` contains mixed scripts",
        ),
        (
            "@id(\"a\")\nALL;\n\n@id(\"a\")\nforbid (principal, action, resource);",
            "4: @id(\"a\") is that of the policy on line 1 already",
        ),
        (
            "ALL;\n@id ALL;",
            "2: @id must have a text of 1..=64 bytes without control characters",
        ),
        (
            "@id(\"a\\nb\") ALL;",
            "1: @id must have a text of 1..=64 bytes without control characters",
        ),
    ] {
        let text = text.replace("ALL", all);
        assert_eq!(
            complaint(&[file("emr", &text)]),
            format!("emr.cedar:{expected}"),
            "{text}"
        );
    }
}

const IMPOSSIBLE: &str =
    "2: policy is impossible: the policy expression evaluates to false for all valid requests";

#[test]
fn all_findings_are_told_in_one_order() {
    let wrong = file(
        "emr",
        "permit (principal, action == Action::\"B\", resource);\n\
         permit (principal, action, resource) when { principal.organisation == \"\" };",
    );
    let files = [
        file("emrr", ""),
        wrong,
        file("consent", ""),
        file("consent", ""),
        file("\n", ""),
    ];
    let expected = "\\n.cedar:1: the channel has no contract \"\\n\"\n\
         consent.cedar:1: the channel has two access policy files for this contract\n\
         emr.cedar:1:30: contract emr has no function or interface \"B\"\n\
         emr.cedar:2:45: attribute `organisation` on entity type `Caller` not found; did you mean \
         `organization`?\n\
         emrr.cedar:1: the channel has no contract \"emrr\"; did you mean \"emr\"?";
    assert_eq!(complaint(&files), expected);
    let reversed: Vec<_> = files.into_iter().rev().collect();
    assert_eq!(complaint(&reversed), expected);
}

#[test]
fn a_function_named_as_an_interface_cannot_be_meant() {
    let text = |scope: &str| format!("permit (principal, {scope}, resource);");
    let ambiguous = complaint(&[file("twin", &text("action in Action::\"Same\""))]);
    assert_eq!(
        ambiguous,
        "twin.cedar:1: \"Same\" is both a function and an interface of contract twin, so no policy \
         can name it"
    );
    let policies = load(&[file("twin", &text("action == Action::\"Same:Inner\""))]).unwrap();
    let twin: ContractId = "twin".parse().unwrap();
    assert!(
        policies
            .authorize(&caller(&[]), &twin, "Same:Inner")
            .is_ok()
    );
    assert!(policies.authorize(&caller(&[]), &twin, "Same").is_err());
}

/// Within the limits a thread with half of a usual stack is enough, and the deepest mistake is
/// found: beyond them Cedar overflows the stack, or validates nothing and says that all is well.
#[test]
fn limits_hold_and_keep_cedar_within_its_stack() {
    let condition = |text: &str| format!("permit (principal, action, resource) when {{ {text} }};");
    let chain = |link: &str, n: usize, end: &str| condition(&(link.repeat(n) + end));
    let nest = |open: &str, n: usize, end: &str, close: &str| {
        condition(&(open.repeat(n) + end + &close.repeat(n)))
    };
    let clauses = |n: usize, end: &str| {
        let many = "unless { false } ".repeat(n);
        format!("permit (principal, action, resource) {many}{end}")
    };
    let organization = "principal.organization == \"a\" && ";
    let depth = ACCESS_NESTING_MAX - 1;
    let cases = vec![
        (nest("(", depth, "principal.x", ")"), "attribute `x`"),
        (nest("!(", depth, "principal.x", ")"), "attribute `x`"),
        (nest("[", depth, "principal.x", "]"), "attribute `x`"),
        (nest("{a: ", depth, "principal.x", "}"), "attribute `x`"),
        (
            chain(
                "if principal.hasTag(\"a\") then true else ",
                depth - 1,
                "principal.x",
            ),
            "attribute `x`",
        ),
        (
            chain(organization, ACCESS_LINKS_MAX / 2 - 2, "principal.x"),
            "attribute `x`",
        ),
        (
            chain("1 + ", ACCESS_LINKS_MAX - 3, "principal.x > 0"),
            "attribute `x`",
        ),
        (
            condition(&format!("principal{}", ".x".repeat(ACCESS_LINKS_MAX - 2))),
            "attribute `x`",
        ),
        (
            nest(
                &("true && ".repeat(ACCESS_LINKS_MAX / depth - 2) + "("),
                depth,
                "principal.x",
                ")",
            ),
            "attribute `x`",
        ),
        (nest("(", depth + 1, "true", ")"), "more than 20 brackets"),
        (nest("(", 30_000, "true", ")"), "more than 20 brackets"),
        (
            format!("\"\\\" // \" {}", "[".repeat(30_000)),
            "more than 20 brackets",
        ),
        (
            format!("// \"\r{}", "{".repeat(30_000)),
            "more than 20 brackets",
        ),
        (
            chain("if true then true else ", depth + 1, "true"),
            "more than 20 brackets",
        ),
        (chain("!", 30_000, "true"), "more than 256 operators"),
        (
            chain("true&&", ACCESS_LINKS_MAX + 1, "true"),
            "more than 256 operators",
        ),
        (
            clauses(ACCESS_LINKS_MAX / 2 - 2, "when { principal.x };"),
            "attribute `x`",
        ),
        (
            clauses(2_000, "when { principal.x };"),
            "more than 256 operators",
        ),
        (
            condition(&format!(
                "principal{}",
                "[\"x\"]".repeat(ACCESS_LINKS_MAX - 2)
            )),
            "attribute `x`",
        ),
        (
            condition(&format!("principal{}", "[\"x\"]".repeat(6_000))),
            "more than 256 operators",
        ),
        (
            " ".repeat(ACCESS_TEXT_BYTES_MAX + 1),
            "the file has 65537 bytes; at most 65536",
        ),
        (
            "permit (principal, action, resource);".repeat(ACCESS_POLICIES_MAX + 1),
            "the file has 257 policies; at most 256",
        ),
    ];
    let judge = move || {
        for (text, expected) in cases {
            let got = complaint(&[file("emr", &text)]);
            assert!(
                got.contains(expected),
                "{}: {got}",
                &text[..text.len().min(80)]
            );
        }
        let deep = "principal.hasTag(\"a\") && ".repeat(ACCESS_LINKS_MAX / 2 - 2);
        let many = (condition(&(deep + "true")) + "\n// ((((((((((((((((((((((\n").repeat(10);
        let answer = only(&many).authorize(&caller(&[("a", "")]), &emr(), FUNCTIONS[0]);
        assert_eq!(answer, Ok(()));
    };
    let half = std::thread::Builder::new().stack_size(1 << 20);
    half.spawn(judge).unwrap().join().unwrap();
}

#[test]
fn a_denial_says_who_decided_and_nothing_about_the_caller() {
    let policies = only(
        "permit (principal, action, resource);\n\
         forbid (principal, action, resource) when { principal.getTagless };\n"
            .replace("principal.getTagless", "principal.hasTag(\"b\")")
            .as_str(),
    );
    let secret = [("b", "secret-value"), ("secret-name", "x")];
    let denial = policies.authorize(&caller(&secret), &emr(), "Physician:ReadEmr");
    assert_eq!(
        says(denial),
        "access policy emr.cedar:2 denies Physician:ReadEmr"
    );

    let policies = only(
        "\n@id(\"all \\\"in\\\"\") // c\npermit (principal, action, resource);\n\
         forbid (principal, action, resource)\nwhen { principal.hasTag(\"a\") };\n\
         @note(\"x\")\n@id(\"no b\")\nforbid (principal, action, resource)\n\
         when { principal.hasTag(\"b\") };\n\
         @id(\"overflow\")\nforbid (principal, action, resource)\n\
         when { principal.hasTag(\"c\") && 9223372036854775807 + 1 > 0 };",
    );
    for (attributes, expected) in [
        (vec![], "permitted"),
        (
            vec!["a"],
            "access policy emr.cedar:4 denies Patient:GetOwnEmr",
        ),
        (
            vec!["b"],
            "access policy \"no b\" (emr.cedar:6) denies Patient:GetOwnEmr",
        ),
        (
            vec!["b", "a"],
            "access policies emr.cedar:4 and \"no b\" (emr.cedar:6) deny Patient:GetOwnEmr",
        ),
        (
            vec!["c"],
            "access policy \"overflow\" (emr.cedar:10) could not be evaluated, which denies \
             Patient:GetOwnEmr",
        ),
        (
            vec!["a", "c"],
            "access policy \"overflow\" (emr.cedar:10) could not be evaluated, which denies \
             Patient:GetOwnEmr",
        ),
    ] {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|name| (*name, "secret-value"))
            .collect();
        let answer = policies.authorize(&caller(&attributes), &emr(), "Patient:GetOwnEmr");
        assert_eq!(says(answer), expected);
    }

    let many = "forbid (principal, action, resource);".repeat(20);
    let denial = says(only(&many).authorize(&caller(&[]), &emr(), FUNCTIONS[0]));
    assert!(
        denial.ends_with("emr.cedar:1 and 12 more deny HealthCenter:CreateEmr"),
        "{denial}"
    );
}

#[test]
fn what_is_not_there_is_denied() {
    let policies = only("permit (principal, action, resource);");
    let ask = |contract: &str, function: &str| {
        says(policies.authorize(&caller(&[]), &contract.parse().unwrap(), function))
    };
    assert_eq!(ask("emr", "Patient:GetOwnEmr"), "permitted");
    let denied = |contract: &str, function: &str| {
        format!(
            "no access policy of contract {contract} permits {function} to a caller of HospitalMSP"
        )
    };
    // No file; no such contract; an interface; no such function; text that is no name.
    assert_eq!(ask("consent", "Version"), denied("consent", "Version"));
    assert_eq!(ask("nothing", "Version"), denied("nothing", "Version"));
    for function in ["Patient", "Patient:getOwnEmr", ""] {
        assert_eq!(ask("emr", function), denied("emr", function));
    }
    assert_eq!(ask("emr", "\n\u{202e}"), denied("emr", "\\n\\u{202e}"));
    assert_eq!(
        ask("emr", &"x".repeat(1000)),
        denied("emr", &"x".repeat(128))
    );
}

#[test]
fn attributes_organisation_and_channel_can_be_asked() {
    let policies = only(
        "permit (principal, action, resource) when {\n\
         principal.organization == \"HospitalMSP\" && principal.enrollmentId like \"secret-*\"\n\
         && resource == Contract::\"emr\" && resource.channel == \"providers\"\n\
         && principal.hasTag(\"hf.Type\") && principal.getTag(\"hf.Type\") == \"a\\\"b\" };",
    );
    let ask = |value| policies.authorize(&caller(&[("hf.Type", value)]), &emr(), FUNCTIONS[0]);
    assert!(ask("a\"b").is_ok());
    assert!(ask("a\\\"b").is_err());
}

#[test]
fn a_file_is_read_as_it_is_written() {
    let policies = file("emr", "permit (principal, action, resource);");
    let json = serde_json::to_string(&policies).unwrap();
    assert_eq!(
        json,
        r#"{"contract":"emr","text":"permit (principal, action, resource);"}"#
    );
    assert_eq!(
        serde_json::from_str::<AccessPolicyFile>(&json).unwrap(),
        policies
    );
    let more = r#"{"contract":"emr","text":"","action":"x"}"#;
    assert!(serde_json::from_str::<AccessPolicyFile>(more).is_err());
}

/// A policy of the family that the model knows: who is it for, which actions, which tag value.
#[derive(Debug, Clone)]
struct Simple {
    permits: bool,
    /// An index of [`SCOPES`].
    scope: usize,
    tag: Option<(String, String)>,
}

const SCOPES: [&str; 5] = [
    "",
    "Physician",
    "Patient",
    "Physician:ReadEmr",
    "Patient:GetOwnEmr",
];

impl Simple {
    fn text(&self) -> String {
        let effect = if self.permits { "permit" } else { "forbid" };
        let name = SCOPES[self.scope];
        let action = match name {
            "" => "action".to_owned(),
            group if !group.contains(':') => format!("action in Action::\"{group}\""),
            function => format!("action == Action::\"{function}\""),
        };
        let when = self.tag.as_ref().map_or_else(String::new, |(tag, value)| {
            format!(
                "when {{ principal.hasTag(\"{}\") && principal.getTag(\"{0}\") == \"{}\" }}",
                escape(tag),
                escape(value)
            )
        });
        format!("{effect} (principal, {action}, resource) {when};\n")
    }

    fn applies(&self, caller: &Caller, function: &str) -> bool {
        let scope = SCOPES[self.scope];
        let named = function == scope || function.split(':').next() == Some(scope);
        let tag = self.tag.as_ref();
        (scope.is_empty() || named)
            && tag.is_none_or(|(tag, value)| caller.attributes.get(tag) == Some(value))
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |all, c| {
        format!("{all}\\u{{{:x}}}", c as u32)
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "userRole",
            "physician",
            "",
            "__entity",
            "a\"b",
            "?principal"
        ])
        .prop_map(str::to_owned),
        "[a-zé\\\\\"'{}*\n\0 ]{0,4}",
    ]
}

fn any_simple() -> impl Strategy<Value = Simple> {
    let tag = proptest::option::of((any_text(), any_text()));
    (any::<bool>(), 0..SCOPES.len(), tag).prop_map(|(permits, scope, tag)| Simple {
        permits,
        scope,
        tag,
    })
}

proptest! {
    #[test]
    fn decisions_are_those_of_a_naive_model(
        policies in proptest::collection::vec(any_simple(), 0..6),
        mut attributes in proptest::collection::btree_map(any_text(), any_text(), 0..3),
        picks in proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
    ) {
        // Else hardly any attribute would be one that is asked for.
        for pick in picks {
            let tags: Vec<_> = policies.iter().filter_map(|policy| policy.tag.clone()).collect();
            if !tags.is_empty() {
                let (tag, value) = pick.get(&tags).clone();
                attributes.insert(tag, value);
            }
        }
        let text: String = policies.iter().map(Simple::text).collect();
        let other = file("consent", "permit (principal, action, resource);");
        let forth = load(&[file("emr", &text), other.clone()]);
        let back = load(&[other, file("emr", &text)]);
        // Texts of mixed scripts are refused; the model does not know of scripts.
        prop_assume!(forth.is_ok());
        let (forth, back) = (forth.unwrap(), back.unwrap());
        let caller = Caller { attributes, ..caller(&[]) };
        for function in FUNCTIONS {
            let applying: Vec<_> =
                policies.iter().filter(|policy| policy.applies(&caller, function)).collect();
            let forbidding = applying.iter().filter(|policy| !policy.permits).count();
            let expected = !applying.is_empty() && forbidding == 0;
            let answer = forth.authorize(&caller, &emr(), function);
            prop_assert_eq!(answer.is_ok(), expected, "{} {}", function, text);
            if let Err(Denial::Forbidden { policies, .. }) = &answer {
                prop_assert_eq!(policies.len(), forbidding);
            } else {
                prop_assert_eq!(forbidding, 0);
            }
            prop_assert_eq!(answer, back.authorize(&caller, &emr(), function));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), name in any::<String>()) {
        let _ = load(&[file(&name, &text), file("emr", &text)]);
    }

    #[test]
    fn no_text_of_tokens_panics(tokens in proptest::collection::vec(
        proptest::sample::select(TOKENS.to_vec()), 0..30,
    ), filled in any::<bool>()) {
        let mut text = tokens.join(" ");
        if filled {
            text = format!("permit (principal, action, resource) when {{ {text} }};");
        }
        let _ = load(&[file("emr", &text)]);
    }

    #[test]
    fn no_function_name_breaks_the_schema(names in proptest::collection::vec(
        prop_oneof![any::<String>(), "[aB:\"\\\\ ]{0,4}"], 0..6,
    )) {
        let all = file("emr", "forbid (principal, action, resource) unless { principal.hasTag(\"a\") };\
            permit (principal, action, resource);");
        let policies =
            AccessPolicies::new(&channel(), &[all], &BTreeMap::from([(emr(), names.clone())]));
        // Without a function every policy is impossible.
        prop_assert_eq!(policies.is_ok(), !names.is_empty());
        for name in &names {
            let policies = policies.as_ref().unwrap();
            prop_assert!(policies.authorize(&caller(&[("a", "")]), &emr(), name).is_ok());
            prop_assert!(policies.authorize(&caller(&[]), &emr(), name).is_err());
        }
    }
}

const TOKENS: [&str; 40] = [
    "permit",
    "forbid",
    "(",
    ")",
    "principal",
    "action",
    "resource",
    "when",
    "unless",
    "{",
    "}",
    ";",
    ",",
    "==",
    "in",
    "Action::",
    "\"Physician\"",
    "[",
    "]",
    "@id",
    "\"a\"",
    "&&",
    "||",
    "!",
    ".",
    "hasTag",
    "getTag",
    "(\"a\")",
    "has",
    "like",
    "is",
    "if",
    "then",
    "else",
    "1",
    "+",
    "?principal",
    "//",
    "\n",
    "é",
];
