//! Places at schools and the reports that parents approve for them: the component's exports, mapped to
//! the rules in [`domain`].
//!
//! Nothing is decided here. What the functions promise is said in `wit/reports.wit`.

pub mod domain;
pub mod error;
pub mod form;
pub mod keys;
pub mod machine;
mod words;

cordon_sdk::bindings!("cordon:reports/reports", ["../../wit", "wit"]);

use cordon_sdk::Host;
use cordon_sdk::wit::types::Error;

use generated::exports::cordon::reports::{parent, pediatrician, registrar};
use words::{all, answer, place};

/// The component: every exported function runs its rule on the host's world.
struct Component;

type Application = Result<parent::Application, Error>;
type Applications = Result<Vec<parent::Application>, Error>;

impl parent::Guest for Component {
    fn apply_for_place(application: parent::NewApplication) -> Application {
        answer(domain::apply_for_place(&mut Host, application.into()))
    }

    fn withdraw_application(child_id: String, school_org: String, school: String) -> Application {
        let place = place(child_id, school_org, school);
        answer(domain::withdraw_application(&mut Host, &place))
    }

    fn get_applications() -> Applications {
        all(domain::applications_of_parent(&Host))
    }

    fn approve_report(
        child_id: String,
        school_org: String,
        school: String,
        digest: Option<String>,
    ) -> Application {
        let place = place(child_id, school_org, school);
        answer(domain::approve_report(&mut Host, &place, digest.as_deref()))
    }

    fn decline_report(child_id: String, school_org: String, school: String) -> Application {
        let place = place(child_id, school_org, school);
        answer(domain::decline_report(&mut Host, &place))
    }

    fn withdraw_report(child_id: String, school_org: String, school: String) -> Application {
        let place = place(child_id, school_org, school);
        answer(domain::withdraw_report(&mut Host, &place))
    }
}

impl registrar::Guest for Component {
    fn get_applications() -> Applications {
        all(domain::applications_of_school(&Host))
    }

    fn accept_application(child_id: String) -> Application {
        answer(domain::accept_application(&mut Host, &child_id))
    }

    fn decline_application(child_id: String) -> Application {
        answer(domain::decline_application(&mut Host, &child_id))
    }

    fn request_report(child_id: String) -> Application {
        answer(domain::request_report(&mut Host, &child_id))
    }

    fn get_report(child_id: String) -> Result<registrar::Report, Error> {
        answer(domain::approved_report(&Host, &child_id))
    }
}

impl pediatrician::Guest for Component {
    fn get_report_requests() -> Result<Vec<pediatrician::ReportRequest>, Error> {
        all(domain::report_requests(&Host))
    }

    fn create_report(
        child_id: String,
        school_org: String,
        school: String,
    ) -> Result<pediatrician::CreatedReport, Error> {
        let place = place(child_id, school_org, school);
        answer(domain::create_report(&mut Host, &place))
    }
}

cordon_sdk::exported! {
    parent {
        apply_for_place, withdraw_application, get_applications, approve_report, decline_report,
        withdraw_report,
    }
    registrar {
        get_applications, accept_application, decline_application, request_report, get_report,
    }
    pediatrician { get_report_requests, create_report }
}
