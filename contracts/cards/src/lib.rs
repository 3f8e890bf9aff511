//! Children's medical cards: the component's exports, mapped to the rules in [`domain`].
//!
//! Nothing is decided here. What the functions promise is said in `wit/`.

pub mod date;
pub mod domain;
pub mod error;
pub mod keys;
pub mod machine;
mod words;

cordon_sdk::bindings!("cordon:cards/cards", ["../../wit", "wit"]);

use cordon_sdk::Host;
use cordon_sdk::wit::types::Error;

use domain::{agreements, cards, children, entries, forms as report_forms};
use generated::exports::cordon::cards::{forms, health_center, parent, pediatrician};

/// The component: every exported function runs its rule on the host's world.
struct Component;

/// Says a rule's answer in the words of the exports.
fn answer<T, W: From<T>>(result: domain::Result<T>) -> Result<W, Error> {
    result
        .map(Into::into)
        .map_err(|error| cordon_sdk::Error::from(error).into())
}

/// The same for a list.
fn answers<T, W: From<T>>(result: domain::Result<Vec<T>>) -> Result<Vec<W>, Error> {
    result
        .map(words::all)
        .map_err(|error| cordon_sdk::Error::from(error).into())
}

impl parent::Guest for Component {
    fn register_child(child: parent::NewChild) -> Result<parent::Child, Error> {
        answer(children::register_child(&mut Host, child.into()))
    }

    fn get_children() -> Result<Vec<parent::Child>, Error> {
        answers(children::children(&Host))
    }

    fn get_child(child_id: String) -> Result<parent::Child, Error> {
        answer(children::child(&Host, &child_id))
    }

    fn sign_agreement(agreement: parent::NewAgreement) -> Result<parent::Agreement, Error> {
        answer(agreements::sign(&mut Host, agreement.into()))
    }

    fn end_agreement(child_id: String) -> Result<parent::Agreement, Error> {
        answer(agreements::end_by_parent(&mut Host, &child_id))
    }

    fn get_agreement(child_id: String) -> Result<parent::Agreement, Error> {
        answer(agreements::agreement(&Host, &child_id))
    }

    fn get_card(child_id: String) -> Result<parent::Card, Error> {
        answer(cards::card_for_parent(&Host, &child_id))
    }

    fn get_card_history(child_id: String) -> Result<Vec<parent::Change>, Error> {
        answers(cards::history(&Host, &child_id))
    }
}

impl health_center::Guest for Component {
    fn get_agreements() -> Result<Vec<parent::Agreement>, Error> {
        answers(agreements::agreements(&Host))
    }

    fn accept_agreement(child_id: String) -> Result<parent::Agreement, Error> {
        answer(agreements::accept(&mut Host, &child_id))
    }

    fn refuse_agreement(child_id: String, reason: String) -> Result<parent::Agreement, Error> {
        answer(agreements::refuse(&mut Host, &child_id, reason))
    }

    fn end_agreement(child_id: String, reason: String) -> Result<parent::Agreement, Error> {
        answer(agreements::end_by_hospital(&mut Host, &child_id, reason))
    }
}

impl pediatrician::Guest for Component {
    fn get_patients() -> Result<Vec<parent::Child>, Error> {
        answers(agreements::patients(&Host))
    }

    fn get_card(child_id: String) -> Result<parent::Card, Error> {
        answer(cards::card_for_pediatrician(&Host, &child_id))
    }

    fn add_growth(entry: pediatrician::NewGrowth) -> Result<parent::GrowthEntry, Error> {
        answer(entries::add_entry(&mut Host, entry.into()))
    }

    fn add_vaccination(
        entry: pediatrician::NewVaccination,
    ) -> Result<parent::VaccinationEntry, Error> {
        answer(entries::add_entry(&mut Host, entry.into()))
    }

    fn add_allergy(entry: pediatrician::NewAllergy) -> Result<parent::AllergyEntry, Error> {
        answer(entries::add_entry(&mut Host, entry.into()))
    }

    fn add_condition(entry: pediatrician::NewCondition) -> Result<parent::ConditionEntry, Error> {
        answer(entries::add_entry(&mut Host, entry.into()))
    }

    fn add_visit(entry: pediatrician::NewVisit) -> Result<parent::VisitEntry, Error> {
        answer(entries::add_entry(&mut Host, entry.into()))
    }

    fn add_assessment(
        entry: pediatrician::NewAssessment,
    ) -> Result<parent::AssessmentEntry, Error> {
        answer(entries::add_entry(&mut Host, entry.into()))
    }
}

impl forms::Guest for Component {
    fn get_report_form(child_id: String) -> Result<forms::ReportForm, Error> {
        answer(report_forms::report_form(&Host, &child_id))
    }
}

cordon_sdk::exported! {
    parent {
        register_child, get_children, get_child, sign_agreement, end_agreement, get_agreement, get_card,
        get_card_history,
    }
    health_center { get_agreements, accept_agreement, refuse_agreement, end_agreement }
    pediatrician {
        get_patients, get_card, add_growth, add_vaccination, add_allergy, add_condition, add_visit,
        add_assessment,
    }
    forms { get_report_form }
}
