//! Every code that can come out of an envelope alone, each from a real envelope with one thing
//! spoilt. Codes of the block (duplicates, conflicts) are in `judge/tests.rs`.
//!
//! `UNSUPPORTED_TX_PAYLOAD` (Fabric: payload of a type of 1.0), `MARSHAL_TX_ERROR` (Fabric: its own
//! encoder fails) and `NOT_VALIDATED` never occur here.

use bytes::Bytes;
use cordon_types::ValidationCode as Code;
use cordon_wire::config::first_config;
use cordon_wire::proto::{common, kvrwset, protos, rwset};
use cordon_wire::{WireError, encode};
use proptest::prelude::*;

use crate::testing::*;
use crate::*;

fn verdict(envelope: &Bytes) -> Verdict {
    let checked = check(prepare(envelope, &channel()), &FakeVerifier, &rules());
    checked.refusal().cloned().unwrap_or(Verdict::VALID)
}

fn garbage() -> Bytes {
    Bytes::from_static(&[0xff])
}

#[test]
fn a_real_envelope_is_accepted_and_parsed() {
    let checked = Draft::default().checked();
    assert!(checked.refusal().is_none());
    assert_eq!(
        checked.tx_id(),
        checked.transaction().map(|transaction| transaction.tx_id)
    );
    assert!(checked.tx_id().is_some());
}

type Spoil = fn(&mut Bytes);

/// Shape: one part missing, undecodable or contradicting at a time.
const SHAPE: &[(&str, Code, Spoil)] = &[
    ("empty envelope", Code::NilEnvelope, |e| *e = Bytes::new()),
    ("envelope", Code::InvalidOtherReason, |e| *e = garbage()),
    ("no payload", Code::BadPayload, |e| {
        edit(e, |e: &mut common::Envelope| e.payload = Bytes::new());
    }),
    ("payload", Code::BadPayload, |e| {
        edit(e, |e: &mut common::Envelope| e.payload = garbage());
    }),
    ("no header", Code::BadCommonHeader, |e| {
        edit_payload(e, |p| p.header = None);
    }),
    ("no channel header", Code::BadChannelHeader, |e| {
        edit_header(e, |h| h.channel_header = Bytes::new());
    }),
    ("channel header", Code::BadChannelHeader, |e| {
        edit_header(e, |h| h.channel_header = garbage());
    }),
    ("no signature header", Code::BadCommonHeader, |e| {
        edit_header(e, |h| h.signature_header = Bytes::new());
    }),
    ("signature header", Code::BadCommonHeader, |e| {
        edit_header(e, |h| h.signature_header = garbage());
    }),
    ("header type", Code::UnknownTxType, |e| {
        edit_channel(e, |h| h.r#type = 2);
    }),
    ("epoch", Code::BadCommonHeader, |e| {
        edit_channel(e, |h| h.epoch = 1);
    }),
    ("no creator", Code::BadCommonHeader, |e| {
        edit_signature(e, |h| h.creator = Bytes::new());
    }),
    ("no nonce", Code::BadCommonHeader, |e| {
        edit_signature(e, |h| h.nonce = Bytes::new());
    }),
    ("channel id", Code::TargetChainNotFound, |e| {
        edit_channel(e, |h| h.channel_id = "Providers".into());
    }),
    ("another channel", Code::TargetChainNotFound, |e| {
        edit_channel(e, |h| h.channel_id = "cards".into());
        sign_again(e);
    }),
    ("transaction id", Code::BadProposalTxid, |e| {
        edit_channel(e, |h| h.tx_id = "ab".repeat(32));
    }),
    ("another nonce", Code::BadProposalTxid, |e| {
        edit_signature(e, |h| h.nonce = Bytes::from_static(&[8; 24]));
    }),
    ("no timestamp", Code::BadChannelHeader, |e| {
        edit_channel(e, |h| h.timestamp = None);
        sign_again(e);
    }),
    ("header extension", Code::BadHeaderExtension, |e| {
        edit_channel(e, |h| h.extension = garbage());
    }),
    ("no header extension", Code::BadHeaderExtension, |e| {
        edit_channel(e, |h| h.extension = Bytes::new());
    }),
    ("no data", Code::NilTxaction, |e| {
        edit_payload(e, |p| p.data = Bytes::new());
    }),
    ("transaction", Code::BadPayload, |e| {
        edit_payload(e, |p| p.data = garbage());
    }),
    ("no action", Code::NilTxaction, |e| {
        edit_transaction(e, |t| t.actions.clear());
    }),
    ("two actions", Code::NilTxaction, |e| {
        edit_transaction(e, |t| t.actions.push(t.actions[0].clone()));
    }),
    ("action header", Code::InvalidEndorserTransaction, |e| {
        edit_transaction(e, |t| t.actions[0].header = Bytes::new());
    }),
    ("action payload", Code::BadPayload, |e| {
        edit_transaction(e, |t| t.actions[0].payload = garbage());
    }),
    ("no action payload", Code::InvalidEndorserTransaction, |e| {
        edit_transaction(e, |t| t.actions[0].payload = Bytes::new());
    }),
    ("proposal payload", Code::BadPayload, |e| {
        edit_action_payload(e, |p| p.chaincode_proposal_payload = garbage());
    }),
    ("transient data", Code::InvalidEndorserTransaction, |e| {
        edit_proposal_payload(e, |p| {
            drop(p.transient_map.insert("k".into(), Bytes::new()));
        });
        sign_again(e);
    }),
    ("no input", Code::InvalidEndorserTransaction, |e| {
        edit_proposal_payload(e, |p| p.input = Bytes::new());
    }),
    ("no spec", Code::InvalidEndorserTransaction, |e| {
        edit_spec(e, |s| s.chaincode_spec = None);
    }),
    ("no chaincode id", Code::InvalidEndorserTransaction, |e| {
        edit_spec(e, |s| {
            s.chaincode_spec.as_mut().unwrap().chaincode_id = None;
        });
    }),
    (
        "no chaincode input",
        Code::InvalidEndorserTransaction,
        |e| {
            edit_spec(e, |s| s.chaincode_spec.as_mut().unwrap().input = None);
        },
    ),
    ("other arguments", Code::InvalidEndorserTransaction, |e| {
        edit_spec(e, |s| {
            s.chaincode_spec
                .as_mut()
                .unwrap()
                .input
                .as_mut()
                .unwrap()
                .args
                .clear();
        });
    }),
    ("no endorsed action", Code::NilTxaction, |e| {
        edit_action_payload(e, |p| p.action = None);
    }),
    (
        "no response payload",
        Code::InvalidEndorserTransaction,
        |e| {
            edit_endorsed(e, |a| a.proposal_response_payload = Bytes::new());
        },
    ),
    ("response payload", Code::BadResponsePayload, |e| {
        edit_endorsed(e, |a| a.proposal_response_payload = garbage());
    }),
    ("proposal hash", Code::InvalidEndorserTransaction, |e| {
        edit_response_payload(e, |p| p.proposal_hash = Bytes::new());
    }),
    ("no chaincode action", Code::BadResponsePayload, |e| {
        edit_response_payload(e, |p| p.extension = Bytes::new());
    }),
    ("chaincode action", Code::BadResponsePayload, |e| {
        edit_response_payload(e, |p| p.extension = garbage());
    }),
    (
        "no chaincode id in the action",
        Code::BadResponsePayload,
        |e| {
            edit_action(e, |a| a.chaincode_id = None);
        },
    ),
    (
        "another chaincode in the action",
        Code::InvalidChaincode,
        |e| {
            edit_action(e, |a| a.chaincode_id.as_mut().unwrap().name = "old".into());
        },
    ),
    ("read-write set", Code::BadRwset, |e| {
        edit_action(e, |a| a.results = garbage());
    }),
    ("unsorted writes", Code::BadRwset, |e| {
        edit_writes(e, |w| w.push(w[0].clone()));
    }),
    ("empty key", Code::InvalidWriteset, |e| {
        edit_writes(e, |w| w[0].key.clear());
    }),
    ("long key", Code::InvalidWriteset, |e| {
        edit_writes(e, |w| w[0].key = "k".repeat(1025));
    }),
    ("delete with value", Code::InvalidWriteset, |e| {
        edit_writes(e, |w| w[0].is_delete = true);
    }),
    ("event", Code::BadResponsePayload, |e| {
        edit_action(e, |a| a.events = garbage());
    }),
    ("event of another contract", Code::InvalidOtherReason, |e| {
        edit_action(e, |a| {
            edit(&mut a.events, |e: &mut protos::ChaincodeEvent| {
                e.chaincode_id = "old".into();
            });
        });
    }),
];

fn edit_writes(envelope: &mut Bytes, change: impl FnOnce(&mut Vec<kvrwset::KvWrite>)) {
    edit_action(envelope, |action| {
        edit(&mut action.results, |set: &mut rwset::TxReadWriteSet| {
            edit(&mut set.ns_rwset[0].rwset, |kv: &mut kvrwset::KvrwSet| {
                change(&mut kv.writes);
            });
        });
    });
}

#[test]
fn each_broken_part_has_its_code_and_takes_no_transaction_id() {
    for (part, code, spoil) in SHAPE {
        let mut envelope = Draft::default().build();
        spoil(&mut envelope);
        let checked = check(prepare(&envelope, &channel()), &FakeVerifier, &rules());
        let verdict = checked.refusal().expect("refused");
        assert_eq!(verdict.code, *code, "{part}: {verdict}");
        assert!(
            matches!(
                verdict.reason,
                Some(Reason::Shape(_) | Reason::OtherChannel)
            ),
            "{part}"
        );
        assert_eq!(checked.tx_id(), None, "{part}");
        assert_eq!(
            claimed_tx_id(checked.prepared(), verdict.code),
            None,
            "{part}"
        );
    }
}

#[test]
fn the_creator_must_be_a_valid_member_and_sign_the_payload() {
    let creators = [
        (
            identity("A", "client expired"),
            IdentityRefusal::OutsideValidity,
        ),
        (identity("C", "client carol"), IdentityRefusal::NotMember),
        (identity("A", "nobody"), IdentityRefusal::NotTrusted),
        (Bytes::from_static(b"?"), IdentityRefusal::Undecodable),
    ];
    for (creator, refusal) in creators {
        let checked = Draft {
            creator,
            ..Draft::default()
        }
        .checked();
        let verdict = checked.refusal().expect("refused");
        assert_eq!(verdict.code, Code::BadCreatorSignature);
        assert_eq!(verdict.reason, Some(Reason::Creator(refusal)));
        assert_eq!(checked.tx_id(), None);
        assert_eq!(claimed_tx_id(checked.prepared(), verdict.code), None);
    }
    let mut unsigned = Draft::default().build();
    edit(&mut unsigned, |e: &mut common::Envelope| {
        e.signature = Bytes::new();
    });
    assert_eq!(verdict(&unsigned).code, Code::BadCreatorSignature);
    // A field that nothing else looks at is still covered by the signature.
    let mut changed = Draft::default().build();
    edit_endorsed(&mut changed, |a| drop(a.endorsements.pop()));
    assert_eq!(verdict(&changed).code, Code::BadCreatorSignature);
}

#[test]
fn what_the_contracts_rules_refuse_takes_the_transaction_id() {
    let unknown = Draft {
        contract: "new",
        ..Draft::default()
    };
    let removed = Draft {
        contract: "old",
        ..Draft::default()
    };
    let version = Draft {
        version: "2",
        ..Draft::default()
    };
    let refused = |status| Draft {
        status,
        ..Draft::default()
    };
    let foreign = Draft {
        sets: vec![set("emr"), set("sharing").write("k", None)],
        ..Draft::default()
    };
    let removed_write = Draft {
        sets: vec![set("emr"), set("old").write("k", None)],
        ..Draft::default()
    };
    let endorsers = vec![identity("A", "peer a")];
    let endorsed_once = Draft {
        endorsers,
        ..Draft::default()
    };
    let many = vec![identity("A", "peer a"); ENDORSEMENTS_MAX + 1];
    for (name, draft, code) in [
        ("unknown", unknown, Code::InvalidChaincode),
        ("removed", removed, Code::ExpiredChaincode),
        ("version", version, Code::ChaincodeVersionConflict),
        ("no status", refused(0), Code::InvalidEndorserTransaction),
        ("status 199", refused(199), Code::InvalidEndorserTransaction),
        ("status 400", refused(400), Code::InvalidEndorserTransaction),
        ("status 500", refused(500), Code::InvalidEndorserTransaction),
        ("foreign write", foreign, Code::IllegalWriteset),
        (
            "write of a removed one",
            removed_write,
            Code::IllegalWriteset,
        ),
        (
            "endorsements",
            endorsed_once,
            Code::EndorsementPolicyFailure,
        ),
        (
            "too many",
            Draft {
                endorsers: many,
                ..Draft::default()
            },
            Code::InvalidEndorserTransaction,
        ),
    ] {
        let checked = draft.checked();
        let verdict = checked.refusal().expect("refused");
        assert_eq!(verdict.code, code, "{name}: {verdict}");
        assert!(checked.tx_id().is_some(), "{name}");
        assert_eq!(
            claimed_tx_id(checked.prepared(), verdict.code),
            checked.tx_id(),
            "{name}"
        );
    }
}

#[test]
fn reading_another_contracts_state_is_allowed() {
    let sets = vec![set("emr").write("k", None), set("sharing").read("k", None)];
    assert!(
        Draft {
            sets,
            ..Draft::default()
        }
        .checked()
        .refusal()
        .is_none()
    );
}

#[test]
fn endorsements_that_do_not_hold_are_explained_and_refuse_nothing_themselves() {
    let with = |endorsers: Vec<Bytes>| {
        Draft {
            endorsers,
            ..Draft::default()
        }
        .checked()
    };
    let (a, b) = (identity("A", "peer a"), identity("B", "peer b"));
    let expired = identity("B", "peer expired");
    let outsider = identity("C", "peer c");
    let client = identity("B", "client bob");

    let extra = with(vec![
        outsider.clone(),
        a.clone(),
        expired.clone(),
        client.clone(),
        b.clone(),
    ]);
    assert!(extra.refusal().is_none());

    let lacking = with(vec![a.clone(), a.clone(), expired, outsider, client]);
    let Some(Verdict {
        code,
        reason: Some(reason),
    }) = lacking.refusal().cloned()
    else {
        panic!("refused");
    };
    assert_eq!(code, cordon_types::ValidationCode::EndorsementPolicyFailure);
    assert_eq!(
        reason.to_string(),
        "endorsement policy of contract emr: endorsements are missing: AND('A.peer', 'B.peer') has 1 of 2, lacks B.peer. Not counted: \
         the certificate is not valid at the transaction's time; the organisation is not a member \
         of the channel"
    );

    // An endorsement covers the response payload and the endorser, in this order.
    let mut forged = Draft {
        endorsers: vec![a.clone(), a],
        ..Draft::default()
    }
    .build();
    edit_endorsed(&mut forged, |action| action.endorsements[1].endorser = b);
    edit(&mut forged, |e: &mut common::Envelope| {
        e.signature = sign(&identity("A", "client alice"), &[&e.payload]);
    });
    assert_eq!(
        verdict(&forged).code,
        cordon_types::ValidationCode::EndorsementPolicyFailure
    );
}

#[test]
fn a_configuration_needs_its_content_and_its_channel() {
    let config = first_config(&Bytes::from_static(b"{}"));
    let envelope = |data: Bytes, channel_id: &str| {
        let channel_header = common::ChannelHeader {
            r#type: 1,
            channel_id: channel_id.into(),
            ..Default::default()
        };
        let signature_header = common::SignatureHeader {
            nonce: Bytes::from_static(&[1]),
            ..Default::default()
        };
        let header = Some(common::Header {
            channel_header: encode(&channel_header),
            signature_header: encode(&signature_header),
        });
        let payload = encode(&common::Payload { header, data });
        encode(&common::Envelope {
            payload,
            signature: Bytes::new(),
        })
    };
    assert_eq!(
        verdict(&envelope(config.clone(), "providers")).code,
        Code::Valid
    );
    let elsewhere = verdict(&envelope(config, "cards"));
    assert_eq!(elsewhere.code, Code::TargetChainNotFound);
    for data in [Bytes::new(), garbage()] {
        let refused = verdict(&envelope(data, "providers"));
        assert_eq!(refused.code, Code::InvalidConfigTransaction);
        assert!(matches!(
            refused.reason,
            Some(Reason::Shape(
                WireError::Missing { .. } | WireError::Undecodable { .. }
            ))
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_changed_byte_is_never_valid(at in any::<prop::sample::Index>(), bits in 1..=255u8) {
        let mut bytes = Draft::default().build().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        prop_assert!(!verdict(&Bytes::from(bytes)).is_valid());
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!verdict(&Bytes::from(bytes)).is_valid());
    }
}

/// Who calls a contract that calls another writes state of both: both endorsement policies count.
#[test]
fn state_of_a_called_contract_needs_its_own_endorsement_policy() {
    let draft = |contract, sets, endorsers: &[(&str, &str)]| Draft {
        contract,
        sets,
        endorsers: endorsers
            .iter()
            .map(|(msp_id, certificate)| identity(msp_id, certificate))
            .collect(),
        ..Draft::default()
    };
    let both = || vec![set("emr").write("k", None), set("notes").write("k", None)];
    let (a, b) = (("A", "peer a"), ("B", "peer b"));
    let verdict = |draft: Draft| {
        let refusal = draft.checked().refusal().cloned();
        refusal.map(|verdict| (verdict.code, verdict.to_string()))
    };
    assert_eq!(verdict(draft("notes", both(), &[a, b])), None);
    assert_eq!(verdict(draft("emr", both(), &[a, b])), None);
    // Reading is nobody's to endorse.
    let reads = vec![set("emr").read("k", None), set("notes").write("k", None)];
    assert_eq!(verdict(draft("notes", reads, &[b])), None);
    let (code, text) = verdict(draft("notes", both(), &[b])).expect("emr asks for A too");
    assert_eq!(code, cordon_types::ValidationCode::EndorsementPolicyFailure);
    assert!(text.contains("contract emr"), "{text}");
    let (code, text) = verdict(draft("emr", both(), &[a])).expect("nobody of B");
    assert_eq!(code, cordon_types::ValidationCode::EndorsementPolicyFailure);
    assert!(text.contains("contract emr"), "{text}");
}

#[test]
fn a_configuration_needs_what_the_governance_policy_asks_for() {
    let (a, b) = (identity("A", "admin a"), identity("B", "admin b"));
    let refusal = |envelope: &Bytes| {
        let checked = check(prepare(envelope, &channel()), &FakeVerifier, &rules());
        assert!(checked.tx_id().is_some(), "its creator has signed it");
        checked.refusal().map(|verdict| {
            assert_eq!(verdict.code, Code::InvalidConfigTransaction);
            verdict.reason.clone().unwrap()
        })
    };
    let lacks = |envelope: &Bytes| match refusal(envelope) {
        Some(Reason::ConfigApprovals(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(&config(1, 1, &[&a, &b])), None);
    assert!(lacks(&config(1, 1, &[&a])).contains('B'));
    assert!(lacks(&config(1, 1, &[])).contains('A'));
    let again = identity("A", "admin c");
    assert!(lacks(&config(1, 1, &[&a, &again])).contains('B'));
    let client = identity("B", "client b");
    assert!(lacks(&config(1, 1, &[&a, &client])).contains('B'));
    // Whoever's word does not hold is not carried along: the bytes say who approved.
    let approval = |envelope: &Bytes| match refusal(envelope) {
        Some(Reason::ConfigApproval(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        approval(&config(1, 1, &[&a, &a])),
        "there are two of one identity of A"
    );
    let stranger = identity("X", "admin x");
    assert!(approval(&config(1, 1, &[&stranger, &a])).contains("not a member"));
    assert!(matches!(
        refusal(&config(2, 1, &[&a, &b])),
        Some(Reason::Config(_))
    ));
    let many = vec![&a; ENDORSEMENTS_MAX + 1];
    assert!(matches!(
        refusal(&config(1, 1, &many)),
        Some(Reason::TooManyEndorsements(_))
    ));
    // Approvals are of this very update.
    let mut forged = config(1, 1, &[&a, &b]);
    edit(&mut forged, |e: &mut common::Envelope| {
        e.signature = Bytes::from_static(b"other");
    });
    assert_eq!(verdict(&forged).code, Code::BadCreatorSignature);
}
