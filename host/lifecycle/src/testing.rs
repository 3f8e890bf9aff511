//! Definitions to test with.

use cordon_policy::EndorsementPolicy;
use proptest::prelude::*;

use crate::definition::{Definition, EndorsementRule};
use crate::names::PackageId;

pub(crate) fn package_id(number: u8) -> PackageId {
    PackageId {
        label: "emr_1".parse().unwrap(),
        sha256: [number; 32],
    }
}

pub(crate) fn definition(sequence: i64) -> Definition {
    Definition {
        sequence,
        version: format!("{sequence}.0"),
        component_sha256: [1; 32],
        endorsement: EndorsementRule::ChannelDefault,
    }
}

pub(crate) fn any_definition() -> impl Strategy<Value = Definition> {
    let endorsement = prop_oneof![
        Just(EndorsementRule::ChannelDefault),
        proptest::collection::vec("'[A-D]\\.(peer|admin|member)'", 1..4).prop_map(|principals| {
            let text = format!("OR({})", principals.join(","));
            EndorsementRule::Policy(EndorsementPolicy::parse(&text).unwrap())
        }),
    ];
    (
        1..i64::MAX,
        "[A-Za-z0-9_.+-]{1,64}",
        any::<[u8; 32]>(),
        endorsement,
    )
        .prop_map(
            |(sequence, version, component_sha256, endorsement)| Definition {
                sequence,
                version,
                component_sha256,
                endorsement,
            },
        )
}
