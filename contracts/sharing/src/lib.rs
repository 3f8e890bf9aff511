//! Sharing medical records between organisations: the component's exports, mapped to the rules in
//! [`domain`].
//!
//! Nothing is decided here. What the functions promise is said in `wit/sharing.wit`.

pub mod domain;
pub mod error;
pub mod keys;
pub mod machine;
pub mod snapshot;
mod words;

cordon_sdk::bindings!("cordon:sharing/sharing", ["../../wit", "../emr/wit", "wit"]);

use cordon_sdk::Host;
use cordon_sdk::wit::types::Error;

#[cfg(not(feature = "testing"))]
use generated::cordon::emr::records;
use generated::exports::cordon::sharing::{health_center, patient, physician};

/// The component: every exported function runs its rule on the host's world.
struct Component;

/// The contract `emr` of this channel.
struct EmrContract;

impl domain::Records for EmrContract {
    fn read_emr(&self, emr_id: &str) -> cordon_sdk::Result<snapshot::Emr> {
        Ok(records::get_emr(emr_id)?.into())
    }
}

/// Says a rule's answer in the words of the exports.
fn answer<T, W>(result: domain::Result<T>, words: impl FnOnce(T) -> W) -> Result<W, Error> {
    result
        .map(words)
        .map_err(|error| cordon_sdk::Error::from(error).into())
}

fn all<T, W: From<T>>(list: Vec<T>) -> Vec<W> {
    list.into_iter().map(Into::into).collect()
}

impl health_center::Guest for Component {
    fn authorize_emr_reading(
        receiver_org: String,
        emr_id: String,
    ) -> Result<health_center::Agreement, Error> {
        let version =
            domain::authorize_emr_reading(&mut Host, &EmrContract, &receiver_org, &emr_id);
        answer(version, Into::into)
    }

    fn get_emr_requests() -> Result<Vec<health_center::Request>, Error> {
        answer(domain::requests_to_owner(&Host), all)
    }

    fn remove_emr_sharing(receiver_org: String, patient_id: String) -> Result<(), Error> {
        let removed = domain::remove_by_owner(&mut Host, &receiver_org, &patient_id);
        answer(removed, |()| ())
    }
}

impl patient::Guest for Component {
    fn approve_emr_sharing(
        receiver_org: String,
        version: Option<u32>,
    ) -> Result<health_center::Agreement, Error> {
        let approved = domain::approve_emr_sharing(&mut Host, &receiver_org, version);
        answer(approved, Into::into)
    }

    fn remove_emr_sharing(receiver_org: String) -> Result<(), Error> {
        answer(domain::remove_by_patient(&mut Host, &receiver_org), |()| ())
    }

    fn get_emr_requests() -> Result<Vec<health_center::Request>, Error> {
        answer(domain::requests_to_patient(&Host), all)
    }

    fn get_sharings() -> Result<Vec<patient::Sharing>, Error> {
        answer(domain::own_sharings(&Host), all)
    }
}

impl physician::Guest for Component {
    fn request_emr(owner_org: String, patient_id: String) -> Result<health_center::Request, Error> {
        let request = domain::request_emr(&mut Host, &owner_org, &patient_id);
        answer(request, Into::into)
    }

    fn get_shared_emr(
        owner_org: String,
        patient_id: String,
    ) -> Result<physician::SharedEmr, Error> {
        answer(
            domain::shared_emr(&Host, &owner_org, &patient_id),
            Into::into,
        )
    }
}

cordon_sdk::exported! {
    health_center { authorize_emr_reading, get_emr_requests, remove_emr_sharing }
    patient { approve_emr_sharing, remove_emr_sharing, get_emr_requests, get_sharings }
    physician { request_emr, get_shared_emr }
}

/// The functions of `emr` natively, as recorded cases link them.
#[cfg(feature = "testing")]
mod records {
    use cordon_sdk::wit::types::Error;

    use crate::generated::cordon::emr::health_center::Emr;

    pub(crate) fn get_emr(emr_id: &str) -> Result<Emr, Error> {
        cordon_sdk::testing::import("Records:GetEmr", &[emr_id.into()])
    }
}
