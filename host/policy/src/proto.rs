//! The encoded form, `SignaturePolicyEnvelope` (`WIRE.md` section 14).

use cordon_wire::proto::common::{
    self, SignaturePolicy, SignaturePolicyEnvelope, msp_principal::Classification,
    msp_role::MspRoleType, signature_policy,
};
use cordon_wire::{decode, encode};

use crate::endorsement::Rule;
use crate::limits::{DEPTH_MAX, PRINCIPALS_MAX};
use crate::{EndorsementPolicy, PolicyError, Principal, Role};

impl EndorsementPolicy {
    /// The message as Fabric's own parser makes it: every mention is an entry of its own, those of
    /// inner gates come first.
    pub fn to_proto(&self) -> SignaturePolicyEnvelope {
        let mut identities = Vec::new();
        let rule = rule_to_proto(&self.root, &mut identities);
        SignaturePolicyEnvelope {
            version: 0,
            rule: Some(rule),
            identities,
        }
    }

    /// Reads a message. A lone principal without a gate, which text cannot express, is taken as
    /// `OR` of it. Entries of `identities` may be shared by mentions or go unused.
    ///
    /// # Errors
    /// [`PolicyError::Encoding`] naming the part that is not acceptable; the other variants when a
    /// limit is exceeded.
    pub fn from_proto(envelope: &SignaturePolicyEnvelope) -> Result<Self, PolicyError> {
        if envelope.version != 0 {
            return Err(encoding("version", "0"));
        }
        if envelope.identities.len() > PRINCIPALS_MAX {
            return Err(PolicyError::TooManyPrincipals);
        }
        let identities = envelope
            .identities
            .iter()
            .map(principal_from_proto)
            .collect::<Result<Vec<_>, _>>()?;
        let rule = envelope.rule.as_ref().ok_or(encoding("rule", "present"))?;
        let mut mentions = 0;
        let root = match rule_from_proto(rule, &identities, 0, &mut mentions)? {
            lone @ Rule::SignedBy(_) => Rule::OutOf {
                n: 1,
                rules: vec![lone],
            },
            gate @ Rule::OutOf { .. } => gate,
        };
        Self::new(root)
    }
}

fn encoding(what: &'static str, rule: &'static str) -> PolicyError {
    PolicyError::Encoding { what, rule }
}

fn rule_to_proto(rule: &Rule, identities: &mut Vec<common::MspPrincipal>) -> SignaturePolicy {
    let message = match rule {
        Rule::SignedBy(principal) => {
            let index = i32::try_from(identities.len()).unwrap_or(i32::MAX);
            identities.push(principal_to_proto(principal));
            signature_policy::Type::SignedBy(index)
        }
        Rule::OutOf { n, rules } => {
            // Fabric evaluates the arguments of a gate before the gate itself: principals get their
            // numbers only when their own gate's turn comes, after all gates inside it.
            let mut encoded: Vec<Option<SignaturePolicy>> = rules
                .iter()
                .map(|rule| match rule {
                    Rule::SignedBy(_) => None,
                    Rule::OutOf { .. } => Some(rule_to_proto(rule, identities)),
                })
                .collect();
            for (rule, slot) in rules.iter().zip(&mut encoded) {
                slot.get_or_insert_with(|| rule_to_proto(rule, identities));
            }
            signature_policy::Type::NOutOf(signature_policy::NOutOf {
                n: i32::from(*n),
                rules: encoded.into_iter().flatten().collect(),
            })
        }
    };
    SignaturePolicy {
        r#type: Some(message),
    }
}

fn rule_from_proto(
    rule: &SignaturePolicy,
    identities: &[Principal],
    depth: usize,
    mentions: &mut usize,
) -> Result<Rule, PolicyError> {
    match rule
        .r#type
        .as_ref()
        .ok_or(encoding("rule", "a principal or a gate"))?
    {
        signature_policy::Type::SignedBy(index) => {
            // Counted on the way, not afterwards: entries can be shared, so few bytes of message
            // may mention a principal very often.
            *mentions += 1;
            if *mentions > PRINCIPALS_MAX {
                return Err(PolicyError::TooManyPrincipals);
            }
            let principal = usize::try_from(*index).ok().and_then(|i| identities.get(i));
            let principal = principal.ok_or(encoding("signed_by", "the index of an identity"))?;
            Ok(Rule::SignedBy(principal.clone()))
        }
        signature_policy::Type::NOutOf(gate) => {
            if depth == DEPTH_MAX {
                return Err(PolicyError::TooDeep);
            }
            if gate.rules.is_empty() {
                return Err(encoding("gate", "of one rule or more"));
            }
            let rules = gate
                .rules
                .iter()
                .map(|rule| rule_from_proto(rule, identities, depth + 1, mentions))
                .collect::<Result<Vec<_>, _>>()?;
            let n = u16::try_from(gate.n)
                .ok()
                .filter(|&n| usize::from(n) <= rules.len() + 1);
            let n = n.ok_or(encoding("n", "from 0 to one above the number of rules"))?;
            Ok(Rule::OutOf { n, rules })
        }
    }
}

fn principal_to_proto(principal: &Principal) -> common::MspPrincipal {
    let role = match principal.role {
        Role::Member => MspRoleType::Member,
        Role::Admin => MspRoleType::Admin,
        Role::Client => MspRoleType::Client,
        Role::Peer => MspRoleType::Peer,
        Role::Orderer => MspRoleType::Orderer,
    };
    common::MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: encode(&common::MspRole {
            msp_identifier: principal.msp_id.to_string(),
            role: role.into(),
        }),
    }
}

fn principal_from_proto(message: &common::MspPrincipal) -> Result<Principal, PolicyError> {
    if message.principal_classification != i32::from(Classification::Role) {
        return Err(encoding("principal classification", "ROLE"));
    }
    let named: common::MspRole = decode(&message.principal, "principal")
        .map_err(|_| encoding("principal", "an encoded MSPRole"))?;
    let role = match MspRoleType::try_from(named.role) {
        Ok(MspRoleType::Member) => Role::Member,
        Ok(MspRoleType::Admin) => Role::Admin,
        Ok(MspRoleType::Client) => Role::Client,
        Ok(MspRoleType::Peer) => Role::Peer,
        Ok(MspRoleType::Orderer) => Role::Orderer,
        Err(_) => return Err(encoding("role", "a known one")),
    };
    let msp_id = named
        .msp_identifier
        .parse()
        .map_err(|_| encoding("MSP id", "an MSP id"))?;
    Ok(Principal { msp_id, role })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::any_policy;
    use proptest::prelude::*;

    /// Vectors printed by Fabric's own code (section 20).
    #[test]
    fn encoding_is_fabrics() {
        for (text, expected) in [
            (
                "OR('Org1MSP.member')",
                "120812060801120208001a0b12090a074f7267314d5350",
            ),
            (
                "AND('Org1MSP.peer', OutOf(1,'Org2MSP.member'))",
                "12121210080212020801120812060801120208001a0b12090a074f7267324d53501a0d120b0a074f\
                 7267314d53501003",
            ),
            (
                "OutOf(2,'A.member','B.client','C.admin')",
                "1210120e08021202080012020801120208021a0512030a01411a0712050a014210021a0712050a01\
                 431001",
            ),
        ] {
            let policy = EndorsementPolicy::parse(text).unwrap();
            assert_eq!(hex::encode(encode(&policy.to_proto())), expected, "{text}");
            assert_eq!(
                EndorsementPolicy::from_proto(&policy.to_proto()).unwrap(),
                policy
            );
        }
    }

    type Breaks = fn(&mut SignaturePolicyEnvelope);

    fn gate(envelope: &mut SignaturePolicyEnvelope) -> &mut signature_policy::NOutOf {
        match &mut envelope.rule.as_mut().unwrap().r#type {
            Some(signature_policy::Type::NOutOf(gate)) => gate,
            _ => panic!("the root is a gate"),
        }
    }

    #[test]
    fn each_broken_part_is_named() {
        let cases: [(&str, Breaks); 11] = [
            ("version", |e| e.version = 1),
            ("rule", |e| e.rule = None),
            ("rule", |e| e.rule.as_mut().unwrap().r#type = None),
            ("gate", |e| gate(e).rules.clear()),
            ("n", |e| gate(e).n = -1),
            ("n", |e| gate(e).n = 4),
            ("signed_by", |e| drop(e.identities.pop())),
            ("principal classification", |e| {
                e.identities[0].principal_classification = 2;
            }),
            ("principal", |e| {
                e.identities[0].principal = vec![0xff].into();
            }),
            ("MSP id", |e| {
                e.identities[0].principal = vec![10, 1, b'_'].into();
            }),
            ("role", |e| {
                e.identities[0].principal = vec![10, 1, b'A', 16, 9].into();
            }),
        ];
        for (part, break_it) in cases {
            let mut envelope = EndorsementPolicy::parse("AND('A.peer','B.peer')")
                .unwrap()
                .to_proto();
            break_it(&mut envelope);
            match EndorsementPolicy::from_proto(&envelope) {
                Err(PolicyError::Encoding { what, .. }) => assert_eq!(what, part),
                other => panic!("{part}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_lone_principal_is_taken_as_a_gate_of_one() {
        let mut envelope = EndorsementPolicy::parse("OR('A.peer')").unwrap().to_proto();
        envelope.rule.as_mut().unwrap().r#type = Some(signature_policy::Type::SignedBy(0));
        assert_eq!(
            EndorsementPolicy::from_proto(&envelope)
                .unwrap()
                .to_string(),
            "OR('A.peer')"
        );
    }

    #[test]
    fn what_would_be_too_long_as_a_text_is_refused_as_a_message() {
        let mut identities = Vec::new();
        let leaf = |index: usize| SignaturePolicy {
            r#type: Some(signature_policy::Type::SignedBy(
                i32::try_from(index).unwrap(),
            )),
        };
        let within = |rule: SignaturePolicy| SignaturePolicy {
            r#type: Some(signature_policy::Type::NOutOf(signature_policy::NOutOf {
                n: 1,
                rules: vec![rule],
            })),
        };
        let rules = (0..950).map(|index| {
            let one = EndorsementPolicy::parse(&format!("OR('Organisation{index}.peer')")).unwrap();
            identities.extend(one.to_proto().identities);
            (0..DEPTH_MAX - 1).fold(leaf(index), |rule, _| within(rule))
        });
        let rules: Vec<_> = rules.collect();
        let rule = signature_policy::NOutOf { n: 1, rules };
        let envelope = SignaturePolicyEnvelope {
            version: 0,
            rule: Some(SignaturePolicy {
                r#type: Some(signature_policy::Type::NOutOf(rule)),
            }),
            identities,
        };
        let refused = EndorsementPolicy::from_proto(&envelope);
        assert!(
            matches!(refused, Err(PolicyError::TooLong { .. })),
            "{refused:?}"
        );
    }

    proptest! {
        #[test]
        fn decoding_is_the_inverse_of_encoding(policy in any_policy()) {
            let bytes = encode(&policy.to_proto());
            let envelope = decode(&bytes, "endorsement policy").unwrap();
            let read = EndorsementPolicy::from_proto(&envelope).unwrap();
            prop_assert_eq!(EndorsementPolicy::parse(&read.to_string()).unwrap(), read.clone());
            prop_assert_eq!(read, policy);
        }
    }
}
