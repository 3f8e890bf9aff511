//! What may happen to an application and its report, and when: every state, every move, one function.
//!
//! A report exists only while its application is accepted, so its states are inside that one: whatever
//! ends the application ends the report. Who may make a move is decided by the rules in
//! [`domain`](crate::domain).

use serde::{Deserialize, Serialize};

/// How far an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Waits for the school's decision.
    Applied,
    /// Accepted by the school; `None` when it has asked for no report.
    Accepted(Option<ReportStatus>),
    /// Declined by the school.
    Declined,
    /// Withdrawn by the parent.
    Withdrawn,
}

/// How far the report of an accepted application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportStatus {
    /// The school has asked for it.
    Requested,
    /// The pediatrician has made it.
    Ready,
    /// The parent lets the school read it.
    Approved,
    /// The parent has declined it.
    Declined,
    /// The parent has withdrawn the approval.
    Withdrawn,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The parent applies.
    Apply,
    /// The school accepts.
    Accept,
    /// The school declines.
    Decline,
    /// The parent withdraws the application.
    Withdraw,
    /// The school asks for a report.
    RequestReport,
    /// The pediatrician makes it.
    CreateReport,
    /// The parent approves it.
    ApproveReport,
    /// The parent declines it.
    DeclineReport,
    /// The parent withdraws the approval.
    WithdrawReport,
}

/// A move that the present status does not allow; says that status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This cannot be done now: {0}.")]
pub struct Refused(pub &'static str);

// === impl Status ===

impl Status {
    /// How far the report is; `None` when there is none.
    pub fn report(self) -> Option<ReportStatus> {
        match self {
            Self::Accepted(report) => report,
            Self::Applied | Self::Declined | Self::Withdrawn => None,
        }
    }

    /// Whether nothing but a new application can follow.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Declined | Self::Withdrawn)
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Applied => "the application waits for the school's decision",
            Self::Accepted(_) => "the school has accepted the application",
            Self::Declined => "the school has declined the application",
            Self::Withdrawn => "the parent has withdrawn the application",
        }
    }

    fn report_sentence(self) -> &'static str {
        match self {
            Self::Accepted(None) => "the school has asked for no report",
            Self::Accepted(Some(ReportStatus::Requested)) => {
                "the report is requested, and the pediatrician has not made it"
            }
            Self::Accepted(Some(ReportStatus::Ready)) => {
                "the report is ready, and waits for the parent's decision"
            }
            Self::Accepted(Some(ReportStatus::Approved)) => "the parent has approved the report",
            Self::Accepted(Some(ReportStatus::Declined)) => "the parent has declined the report",
            Self::Accepted(Some(ReportStatus::Withdrawn)) => "the parent has withdrawn the report",
            Self::Applied | Self::Declined | Self::Withdrawn => self.sentence(),
        }
    }
}

// === impl ReportStatus ===

impl ReportStatus {
    /// Whether a report was made and is still of use.
    pub fn is_made(self) -> bool {
        matches!(self, Self::Ready | Self::Approved)
    }
}

// === impl Move ===

impl Move {
    /// The event that tells of it.
    pub fn event(self) -> &'static str {
        match self {
            Self::Apply => "ApplicationMade",
            Self::Accept => "ApplicationAccepted",
            Self::Decline => "ApplicationDeclined",
            Self::Withdraw => "ApplicationWithdrawn",
            Self::RequestReport => "ReportRequested",
            Self::CreateReport => "ReportReady",
            Self::ApproveReport => "ReportApproved",
            Self::DeclineReport => "ReportDeclined",
            Self::WithdrawReport => "ReportWithdrawn",
        }
    }
}

/// The status after a move; `None` before the first application.
///
/// # Errors
/// [`Refused`] when the present status does not allow the move.
pub fn next(status: Option<Status>, step: Move) -> Result<Status, Refused> {
    match (status, step) {
        (None | Some(Status::Declined | Status::Withdrawn), Move::Apply) => Ok(Status::Applied),
        (None, _) => Err(Refused("nobody has applied")),
        (Some(Status::Applied), Move::Accept) => Ok(Status::Accepted(None)),
        (Some(Status::Applied), Move::Decline) => Ok(Status::Declined),
        (Some(Status::Applied | Status::Accepted(_)), Move::Withdraw) => Ok(Status::Withdrawn),
        (Some(status), Move::Apply | Move::Accept | Move::Decline | Move::Withdraw) => {
            Err(Refused(status.sentence()))
        }
        (Some(status), step) => next_report(status, step)
            .map(|report| Status::Accepted(Some(report)))
            .ok_or(Refused(status.report_sentence())),
    }
}

/// The report's status after a move of a report; `None` when it is not allowed.
fn next_report(status: Status, step: Move) -> Option<ReportStatus> {
    use ReportStatus::{Approved, Declined, Ready, Requested, Withdrawn};
    let Status::Accepted(report) = status else {
        return None;
    };
    match (report, step) {
        (None | Some(Declined | Withdrawn), Move::RequestReport) => Some(Requested),
        (Some(Requested | Ready), Move::CreateReport) => Some(Ready),
        (Some(Ready), Move::ApproveReport) => Some(Approved),
        (Some(Ready), Move::DeclineReport) => Some(Declined),
        (Some(Approved), Move::WithdrawReport) => Some(Withdrawn),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: [Move; 9] = [
        Move::Apply,
        Move::Accept,
        Move::Decline,
        Move::Withdraw,
        Move::RequestReport,
        Move::CreateReport,
        Move::ApproveReport,
        Move::DeclineReport,
        Move::WithdrawReport,
    ];

    /// Goal: exactly the moves of the specification are allowed. Method: a picture of all of them; a
    /// row per state, a column per move, `-` where it is refused.
    #[test]
    fn the_moves_are_those_of_the_picture() {
        let picture = "
            state     apply   accept   decline  withdraw  request   create approve  reject   revoke
            none      applied -        -        -         -         -      -        -        -
            applied   -       accepted declined withdrawn -         -      -        -        -
            accepted  -       -        -        withdrawn requested -      -        -        -
            requested -       -        -        withdrawn -         ready  -        -        -
            ready     -       -        -        withdrawn -         ready  approved rejected -
            approved  -       -        -        withdrawn -         -      -        -        revoked
            rejected  -       -        -        withdrawn requested -      -        -        -
            revoked   -       -        -        withdrawn requested -      -        -        -
            declined  applied -        -        -         -         -      -        -        -
            withdrawn applied -        -        -         -         -      -        -        -";
        let report = |report| Some(Status::Accepted(Some(report)));
        let state = |name: &str| match name {
            "none" => None,
            "applied" => Some(Status::Applied),
            "accepted" => Some(Status::Accepted(None)),
            "requested" => report(ReportStatus::Requested),
            "ready" => report(ReportStatus::Ready),
            "approved" => report(ReportStatus::Approved),
            "rejected" => report(ReportStatus::Declined),
            "revoked" => report(ReportStatus::Withdrawn),
            "declined" => Some(Status::Declined),
            "withdrawn" => Some(Status::Withdrawn),
            name => panic!("the picture has an unknown state {name}"),
        };
        let mut cells = 0;
        for row in picture.trim().lines().skip(1) {
            let mut names = row.split_whitespace();
            let from = state(names.next().unwrap());
            for (step, to) in MOVES.into_iter().zip(names) {
                let expected = if to == "-" { None } else { state(to) };
                assert_eq!(next(from, step).ok(), expected, "{from:?} {step:?}");
                cells += 1;
            }
        }
        assert_eq!(cells, 10 * MOVES.len());
    }

    #[test]
    fn a_refused_move_says_the_status_that_it_is_about() {
        let refusal = |status, step| next(Some(status), step).unwrap_err().to_string();
        let ready = Status::Accepted(Some(ReportStatus::Ready));
        assert_eq!(
            refusal(ready, Move::Accept),
            "This cannot be done now: the school has accepted the application."
        );
        assert_eq!(
            refusal(ready, Move::WithdrawReport),
            "This cannot be done now: the report is ready, and waits for the parent's decision."
        );
        assert_eq!(
            refusal(Status::Declined, Move::RequestReport),
            "This cannot be done now: the school has declined the application."
        );
    }

    #[test]
    fn every_move_has_an_event_of_its_own() {
        let names: std::collections::BTreeSet<_> = MOVES.map(Move::event).into();
        assert_eq!(names.len(), MOVES.len());
    }
}
