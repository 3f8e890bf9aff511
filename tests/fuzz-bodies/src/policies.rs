//! Endorsement policies as text and as messages, and access policies.

use std::collections::{BTreeMap, BTreeSet};

use cordon_policy::{
    AccessPolicies, AccessPolicyFile, EndorsementPolicy, PLANS_MAX, Signer, SignerRole,
    smallest_set,
};
use cordon_types::{Caller, ContractId, MspId};
use cordon_wire::Message as _;
use cordon_wire::proto::common::SignaturePolicyEnvelope;

use crate::people::{CONTRACT, channel};

/// The text of an endorsement policy, or its message.
pub fn endorsement_policy(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok();
    if let Some(policy) = text.and_then(|text| EndorsementPolicy::parse(text).ok()) {
        hold(&policy);
    }
    let message = SignaturePolicyEnvelope::decode(bytes).ok();
    if let Some(policy) = message.and_then(|m| EndorsementPolicy::from_proto(&m).ok()) {
        hold(&policy);
    }
}

fn hold(policy: &EndorsementPolicy) {
    let text = policy.to_string();
    let again = EndorsementPolicy::parse(&text).expect("what we write we read");
    assert_eq!(
        again, *policy,
        "an endorsement policy changes when it is written"
    );
    let again = EndorsementPolicy::from_proto(&policy.to_proto()).expect("what we write we read");
    assert_eq!(
        again, *policy,
        "an endorsement policy changes when it is encoded"
    );

    // One host of each organisation that it names, as a gateway asks them.
    let organizations: BTreeSet<&MspId> = policy.principals().iter().map(|p| &p.msp_id).collect();
    let available: Vec<MspId> = organizations.into_iter().take(12).cloned().collect();
    let everyone = signers(&available);
    let verdict = policy.evaluate(&everyone);
    let plans = policy.minimal_sets(&available);
    assert!(plans.len() <= PLANS_MAX);
    assert_eq!(
        plans.is_empty(),
        verdict.is_err(),
        "planned and judged differently"
    );
    for plan in &plans {
        let signed = signers(plan);
        assert!(policy.evaluate(&signed).is_ok(), "a plan does not satisfy");
        for left_out in 0..signed.len() {
            let mut fewer = signed.clone();
            fewer.remove(left_out);
            assert!(policy.evaluate(&fewer).is_err(), "a plan asks for too many");
        }
    }
    assert_eq!(smallest_set(&[policy], &available).as_ref(), plans.first());
    if let Err(refusal) = verdict {
        assert!(!refusal.terms.is_empty() && !refusal.to_string().is_empty());
        let none = policy.evaluate(&[]);
        assert!(none.is_err(), "fewer endorsements satisfy what more do not");
    }
}

fn signers(organizations: &[MspId]) -> Vec<Signer> {
    let signers = (0u8..).zip(organizations).map(|(index, msp_id)| Signer {
        identity_key: [index; 32],
        msp_id: msp_id.clone(),
        role: SignerRole::Peer,
    });
    signers.collect()
}

/// The text of an access policy file.
pub fn access_policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let contract: ContractId = CONTRACT.parse().unwrap();
    let known = [
        "HealthCenter:CreateEmr",
        "Patient:GetOwnEmr",
        "Physician:ReadEmr",
        "Get",
    ];
    let functions = BTreeMap::from([(contract.clone(), known.map(str::to_owned).to_vec())]);
    let file = AccessPolicyFile {
        contract: CONTRACT.to_owned(),
        text: text.to_owned(),
    };
    let policies = match AccessPolicies::new(&channel(), &[file], &functions) {
        Ok(policies) => policies,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for role in [None, Some("physician"), Some("healthcenter")] {
        let caller = caller(role);
        for function in known {
            let answer = policies.authorize(&caller, &contract, function);
            let again = policies.authorize(&caller, &contract, function);
            assert_eq!(answer.is_ok(), again.is_ok());
            if let Err(denial) = answer {
                assert!(
                    !denial.to_string().contains("cardiology"),
                    "a denial tells an attribute"
                );
            }
        }
        let unknown = policies.authorize(&caller, &contract, "DropAll");
        assert!(
            unknown.is_err(),
            "a function that is not there is permitted"
        );
    }
}

fn caller(role: Option<&str>) -> Caller {
    let mut attributes = BTreeMap::from([("ward".to_owned(), "cardiology".to_owned())]);
    attributes.extend(role.map(|role| ("userRole".to_owned(), role.to_owned())));
    Caller {
        msp_id: "HospitalMSP".parse().unwrap(),
        subject: "CN=user".to_owned(),
        unique_id: "id".to_owned(),
        enrollment_id: "user".to_owned(),
        attributes,
    }
}
